//go:build linux

package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/pitest"
	"portillon/daemon/control"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// healthyPi returns a healthy Raspberry Pi 4 with the machine of a shipped machine.yaml.
func healthyPi(t *testing.T) (daemoncmd.Config, System) {
	t.Helper()
	c, err := daemoncmd.ReadConfig("../../../firmware-config/rdm6300-relay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := pitest.Tree("4-trixie")
	if err != nil {
		t.Fatal(err)
	}
	s := System{Root: root, Now: noon, Synchronised: func() bool { return true },
		Status: func(context.Context) (control.Status, error) { return control.Status{Reader: true}, nil },
		Broker: func(context.Context, string) (time.Time, error) { return noon.AddDate(1, 0, 0), nil },
		Disk:   func(string) (uint64, time.Duration, error) { return 4 << 30, 8 * time.Millisecond, nil },
		Life: func(string) (time.Time, time.Time, error) {
			return noon.AddDate(0, 0, -12), noon.AddDate(0, 0, 18), nil
		},
		Watchdog: func(context.Context) (string, error) { return "1min", nil },
		Check:    func() daemoncmd.Checked { return daemoncmd.Checked{} }}
	for path, text := range map[string]string{
		"boot/firmware/config.txt":           "# Raspberry Pi OS\narm_64bit=1\n" + c.Fragment("laser.yaml"),
		"proc/cmdline":                       "console=tty1 root=PARTUUID=x rootwait\n",
		"sys/class/watchdog/watchdog0/state": "active\n",
		"sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs": "N\n",
		"sys/block/mmcblk0/device/pre_eol_info":                      "0x01\n",
	} {
		s.put(t, path, text)
	}
	return c, s
}

func (s System) put(t *testing.T, path, text string) {
	t.Helper()
	s.Root.(fstest.MapFS)[path] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
}

func (s System) remove(path string) { delete(s.Root.(fstest.MapFS), path) }

func (s System) text(path string) string {
	b, err := fs.ReadFile(s.Root, path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// setWatchdog sets the watchdog timeout that systemctl prints.
func (s *System) setWatchdog(span string) {
	s.Watchdog = func(context.Context) (string, error) { return span, nil }
}

// overlayMounts lists the mounts of a root file system under overlayroot, which mounts its layers at visible paths.
const overlayMounts = "30 1 179:2 / /media/root-ro ro - ext4 /dev/mmcblk0p2 ro\n31 1 0:25 / /media/root-rw rw - " +
	"tmpfs " +
	"tmpfs-root rw\n" +
	"32 1 0:26 / / rw - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/" +
	"root-rw/overlay-workdir\n"

// faultyChecks returns the names of the checks that found a fault or could not be performed.
func faultyChecks(found []Finding) (out []string) {
	for _, f := range found {
		if f.State != Well {
			out = append(out, f.Look)
		}
		if f.Fact.FR == "" || f.Fact.EN == "" || (f.State == Well) != (f.Cure.FR == "") ||
			(f.State == Well) != (f.Cure.EN == "") {
			out = append(out, "words of "+f.Look)
		}
	}
	return out
}

func TestDoctorReportsNoFaultOnAHealthyPi(t *testing.T) {
	c, s := healthyPi(t)
	if got := faultyChecks(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestEachFaultCausesOnlyTheFindingsAboutThatFault(t *testing.T) {
	gone := errors.New("connection refused")
	for name, x := range map[string]struct {
		harm  func(*System)
		want  string
		words string
	}{
		"fragment missing": {func(s *System) { s.put(t, "boot/firmware/config.txt", "arm_64bit=1\n") }, "boot",
			"gpio=17=op,dl"},
		"one line taken back": {func(s *System) {
			b := s.text("boot/firmware/config.txt")
			s.put(t, "boot/firmware/config.txt", b+"gpio=17=op,dh\n")
		}, "boot", "gpio=17=op,dl"},
		"no config.txt": {func(s *System) { s.remove("boot/firmware/config.txt") }, "boot", "sudo"},
		"a console on the port": {func(s *System) { s.put(t, "proc/cmdline", "console=serial0,115200 console=tty1\n") },
			"console", "serial0,115200"},
		"outputs outlive": {func(s *System) {
			s.put(t, "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs",
				"Y\n")
		}, "persist", "strict_gpiod"},
		"a driver that is mute": {func(s *System) {
			s.remove("sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs")
		}, "persist", "unplugged"},
		"no watchdog": {func(s *System) {
			s.remove("sys/class/watchdog/watchdog0/state")
			s.remove("sys/class/watchdog/watchdog0/identity")
		}, "watchdog", "dtparam=watchdog=on"},
		"a watchdog that systemd does not feed": {func(s *System) { s.setWatchdog("0") }, "watchdog",
			"RuntimeWatchdogSec=1m"},
		"a watchdog that starves": {func(s *System) { s.setWatchdog("15s") }, "watchdog", "waits for 15s only"},
		"a mute systemd": {func(s *System) { s.setWatchdog("") }, "watchdog",
			"systemctl show -p RuntimeWatchdogUSec"},
		"a line that contradicts": {func(s *System) {
			s.put(t, "boot/firmware/config.txt", "dtoverlay=gpio-ir,gpio_pin=17\n"+s.text("boot/firmware/config.txt"))
		}, "boot", "GPIO 17"},
		"an overlay root": {func(s *System) { s.put(t, "proc/self/mountinfo", overlayMounts) }, "storage", "recurse=0"},
		"an overlay root with a spare partition": {func(s *System) {
			s.put(t, "proc/self/mountinfo", overlayMounts)
			s.put(t, "sys/class/block/mmcblk0p2/partition", "2\n")
			s.put(t, "sys/class/block/sda1/partition", "1\n")
		}, "storage", "“/dev/sda1 /var/lib/portillon ext4"},
		"a journal in memory": {func(s *System) {
			s.put(t, "proc/self/mountinfo", s.text("proc/self/mountinfo")+"60 23 0:50 / /var/lib rw - tmpfs tmpfs rw\n")
		}, "storage", "is in memory (/var/lib)"},
		"mounts that cannot be seen": {func(s *System) { s.remove("proc/self/mountinfo") }, "storage", "findmnt"},
		"a hungry watchdog": {func(s *System) { s.put(t, "sys/class/watchdog/watchdog0/state", "inactive\n") },
			"watchdog", "Nobody feeds"},
		"no time": {func(s *System) { s.Synchronised = func() bool { return false } }, "clock",
			"timedatectl"},
		"read-only": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 0, 0, errors.New("read-only file system") }
		}, "disk", "No session starts"},
		"full": {func(s *System) { s.Disk = func(string) (uint64, time.Duration, error) { return 9 << 20, 0, nil } },
			"disk", "9 MB"},
		"a worn card": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 4 << 30, 3 * time.Second, nil }
		}, "disk", "wearing out"},
		"never started": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 0, 0, fs.ErrNotExist }
		}, "disk", "Start it once: sudo systemctl enable --now portillond@laser"},
		"what portillond refuses": {func(s *System) {
			s.Check = func() daemoncmd.Checked {
				return daemoncmd.Checked{Faults: []error{errors.New("relay.pin: no GPIO chip")},
					Warnings: []string{"card-key: everybody may read it"}, Unseen: []string{"machine-key: root's alone"}}
			}
		}, "check check check", "relay.pin: no GPIO chip"},
		"a bundle that portillond refuses": {func(s *System) {
			s.Check = func() daemoncmd.Checked { return daemoncmd.Checked{Faults: []error{errors.New("bundle: file: none")}} }
			s.Life = func(string) (time.Time, time.Time, error) { return time.Time{}, time.Time{}, fs.ErrNotExist }
		}, "check", "bundle: file: none"},
		"an include that is gone": {func(s *System) {
			b := s.text("boot/firmware/config.txt")
			s.put(t, "boot/firmware/config.txt", "include none.txt\n"+b)
		}, "boot", "/boot/firmware/none.txt, which config.txt includes, cannot be read"},
		"an include that takes back": {func(s *System) {
			b := s.text("boot/firmware/config.txt")
			s.put(t, "boot/firmware/more.txt", "gpio=17=dh")
			s.put(t, "boot/firmware/config.txt", b+"include more.txt\n")
		}, "boot", "gpio=17=op,dl,pd"},
		"not yours": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 0, 0, fs.ErrPermission }
		}, "disk", "sudo"},
		"worn by its own word": {func(s *System) { s.put(t, "sys/block/mmcblk0/device/pre_eol_info", "0x03\n") }, "wear",
			"Replace"},
		"daemon and reader": {func(s *System) {
			s.Status = func(context.Context) (control.Status, error) { return control.Status{}, gone }
		}, "daemon reader", "systemctl status portillond@laser"},
		"a silent reader": {func(s *System) {
			s.Status = func(context.Context) (control.Status, error) { return control.Status{}, nil }
		}, "reader", "/dev/ttyAMA0"},
		"a fault": {func(s *System) {
			s.Status = func(context.Context) (control.Status, error) {
				return control.Status{Reader: true, Faults: []string{"e-stop"}}, nil
			}
		}, "daemon", "e-stop"},
		"no broker": {func(s *System) {
			s.Broker = func(context.Context, string) (time.Time, error) { return time.Time{}, gone }
		}, "broker", "Cards work"},
		"a certificate": {func(s *System) {
			s.Broker = func(context.Context, string) (time.Time, error) { return noon.AddDate(0, 0, 9), nil }
		}, "certificate", "2026-12-02"},
		"a bundle that ended": {func(s *System) {
			s.Life = func(string) (time.Time, time.Time, error) {
				return noon.AddDate(0, 0, -23), noon.AddDate(0, 0, -1), nil
			}
		}, "bundle", "ended on 2026-11-22"},
		"a bundle near its end": {func(s *System) {
			s.Life = func(string) (time.Time, time.Time, error) { return noon.AddDate(0, 0, -23), noon.AddDate(0, 0, 1), nil }
		}, "bundle", "2026-11-24"},
		"no bundle": {func(s *System) {
			s.Life = func(string) (time.Time, time.Time, error) {
				return noon.AddDate(0, 0, -23), time.Time{}, fs.ErrNotExist
			}
		}, "bundle", "bundle build"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := healthyPi(t)
			x.harm(&s)
			found := Examine(t.Context(), c, s)
			if got := strings.Join(faultyChecks(found), " "); got != x.want {
				t.Errorf("found %q, want %q", got, x.want)
			}
			if !slices.ContainsFunc(
				found,
				func(f Finding) bool { return f.State != Well && strings.Contains(f.Fact.EN+" "+f.Cure.EN, x.words) },
			) {
				t.Errorf("nobody says %q: %+v", x.words, found)
			}
		})
	}
}

// The daemon has stored the last synchronisation of the clock and accepts cards, so the doctor reports no fault.
func TestDoctorAcceptsAClockThatTheDaemonTrusts(t *testing.T) {
	c, s := healthyPi(t)
	s.Synchronised = func() bool { return false }
	s.Status = func(context.Context) (control.Status, error) {
		return control.Status{Reader: true, Clock: string(wire.ClockTrusted)}, nil
	}
	if got := faultyChecks(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// The machine's lines may be in a file that config.txt includes.
func TestDoctorFindsTheMachinesLinesInIncludedFiles(t *testing.T) {
	c, s := healthyPi(t)
	s.put(t, "boot/firmware/config.txt", "arm_64bit=1\ninclude portillon.txt\n")
	s.put(t, "boot/firmware/portillon.txt", c.Fragment("laser.yaml"))
	if got := faultyChecks(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// The doctor reports no fault for a bundle with the usual validity of 30 days during the first 23 days, and for a
// bundle of one week during the first two thirds of that week.
func TestDoctorReportsABundleOnlyInTheLastThirdOfItsValidity(t *testing.T) {
	for _, x := range []struct{ life, left, want int }{{30, 29, 0}, {30, 8, 0}, {30, 6, 1}, {6, 3, 0}, {6, 1, 1},
		{365, 8, 0}, {365, 6, 1}} {
		c, s := healthyPi(t)
		s.Life = func(string) (time.Time, time.Time, error) {
			return noon.AddDate(0, 0, x.left-x.life), noon.AddDate(0, 0, x.left), nil
		}
		if got := faultyChecks(Examine(t.Context(), c, s)); len(got) != x.want {
			t.Errorf("of %d days %d are left: %q", x.life, x.left, got)
		}
	}
}

// The doctor reports no fault if a PC with simulated pins has no watchdog and no config.txt.
func TestComputerWithSimulatedPinsNeedsNoFirmware(t *testing.T) {
	_, s := healthyPi(t)
	c, err := daemoncmd.ReadConfig("../../../firmware-config/bench.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.Root = fstest.MapFS{}
	if got := faultyChecks(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// The device file is found even if the port also contains the name of a bus.
func TestMissingReaderIsReported(t *testing.T) {
	for port, file := range map[string]string{"/dev/ttyAMA0": "/dev/ttyAMA0", "serial:/dev/ttyAMA0": "/dev/ttyAMA0",
		"i2c:/dev/i2c-1": "/dev/i2c-1", "spi:/dev/spidev0.0": "/dev/spidev0.0"} {
		for _, there := range []bool{true, false} {
			c, s := healthyPi(t)
			c.Reader.Values["port"] = port
			s.Status = func(context.Context) (control.Status, error) { return control.Status{}, errors.New("refused") }
			if there {
				s.put(t, strings.TrimPrefix(file, "/"), "")
			}
			said := slices.ContainsFunc(Examine(t.Context(), c, s), func(f Finding) bool {
				return f.Look == "reader" && f.State == Ill && strings.HasSuffix(f.Fact.EN, ": "+file)
			})
			if said == there {
				t.Errorf("%s, there %v: said %v", port, there, said)
			}
		}
	}
}

// Each reason why a PC/SC reader does not work is reported in both languages. The reader's name is not used as a file
// name.
func TestPCSCReaderIsCheckedThroughPcscd(t *testing.T) {
	c, s := healthyPi(t)
	c.Reader = daemoncmd.ReaderConfig{Kind: "pcsc", Values: rfid.Values{"port": "ACS ACR122U"}}
	for _, answers := range []bool{true, false} {
		if !answers {
			s.Status = func(context.Context) (control.Status, error) { return control.Status{}, errors.New("refused") }
		}
		for _, unseen := range []bool{true, false} {
			fault := &daemoncmd.PCSCFault{
				Fact:   policy.Text{FR: "pcscd manque", EN: "pcscd is missing"},
				Cure:   policy.Text{FR: "l’installer", EN: "install it"},
				Unseen: unseen,
			}
			s.Check = func() daemoncmd.Checked { return daemoncmd.Checked{PCSC: fault} }
			var said []Finding
			for _, f := range Examine(t.Context(), c, s) {
				if f.Look == "reader" && f.State != Well {
					said = append(said, f)
				}
			}
			if len(said) != 1 || said[0].Fact != fault.Fact || said[0].Cure != fault.Cure ||
				(said[0].State == Unknown) != unseen {
				t.Errorf("%+v", said)
			}
		}
	}
	s.Check = func() daemoncmd.Checked { return daemoncmd.Checked{} }
	s.Status = func(context.Context) (control.Status, error) { return control.Status{}, nil }
	if !slices.ContainsFunc(Examine(t.Context(), c, s), func(f Finding) bool {
		return f.Look == "reader" && f.State == Ill && strings.Contains(f.Cure.FR, "câble USB")
	}) {
		t.Error("a reader that does not answer is not said")
	}
}

// This test runs the real checks of parts that every computer has.
func TestHereExaminesTheRunningComputer(t *testing.T) {
	c, _ := healthyPi(t)
	s := Here(c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if until, err := s.Broker(t.Context(), "tcp://"+l.Addr().String()); err != nil || !until.IsZero() {
		t.Error(until, err)
	}
	l.Close()
	if _, err := s.Broker(t.Context(), "tcp://"+l.Addr().String()); err == nil {
		t.Error("a broker that is gone answers")
	}
	dir := t.TempDir()
	if free, _, err := s.Disk(dir); err != nil || free == 0 {
		t.Error(free, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Error("the look leaves something behind")
	}
	if _, _, err := s.Disk(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there is a disk")
	}
	if _, _, err := s.Life(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := s.Status(t.Context()); err == nil {
		t.Error("a daemon that is not there answers")
	}
}
