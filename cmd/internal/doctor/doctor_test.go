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
	"time"

	"portillon/cmd/internal/machined"
	"portillon/daemon/control"
	"portillon/wire"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pi is a well Raspberry Pi 4 with the machine of a shipped file.
func pi(t *testing.T) (machined.Config, System) {
	t.Helper()
	c, err := machined.ReadConfig("../../../firmware-config/rdm6300-relay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := System{Root: t.TempDir(), Now: noon, Synchronised: func() bool { return true },
		Status: func(context.Context) (control.Status, error) { return control.Status{Reader: true}, nil },
		Broker: func(context.Context, string) (time.Time, error) { return noon.AddDate(1, 0, 0), nil },
		Disk:   func(string) (uint64, time.Duration, error) { return 4 << 30, 8 * time.Millisecond, nil },
		Life: func(string) (time.Time, time.Time, error) {
			return noon.AddDate(0, 0, -12), noon.AddDate(0, 0, 18), nil
		},
		Check: func() machined.Checked { return machined.Checked{} }}
	for path, text := range map[string]string{
		"boot/firmware/config.txt":           "# Raspberry Pi OS\narm_64bit=1\n" + c.Fragment("laser.yaml"),
		"proc/device-tree/model":             "Raspberry Pi 4 Model B Rev 1.5\x00",
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
	file := filepath.Join(s.Root, path)
	os.MkdirAll(filepath.Dir(file), 0o755)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ills are the looks that found something wrong, or nothing at all.
func ills(found []Finding) (out []string) {
	for _, f := range found {
		if f.State != Well {
			out = append(out, f.Look)
		}
		if f.Fact.FR == "" || f.Fact.EN == "" || (f.State == Well) != (f.Cure.FR == "") || (f.State == Well) != (f.Cure.EN == "") {
			out = append(out, "words of "+f.Look)
		}
	}
	return out
}

func TestWellPiHasNothingWrong(t *testing.T) {
	c, s := pi(t)
	if got := ills(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestEachFaultIsFoundAndNoOther(t *testing.T) {
	gone := errors.New("connection refused")
	for name, x := range map[string]struct {
		harm  func(*System)
		want  string
		words string
	}{
		"fragment missing": {func(s *System) { s.put(t, "boot/firmware/config.txt", "arm_64bit=1\n") }, "boot", "gpio=17=op,dl"},
		"one line taken back": {func(s *System) {
			b, _ := os.ReadFile(filepath.Join(s.Root, "boot/firmware/config.txt"))
			s.put(t, "boot/firmware/config.txt", string(b)+"gpio=17=op,dh\n")
		}, "boot", "gpio=17=op,dl"},
		"no config.txt":         {func(s *System) { os.Remove(filepath.Join(s.Root, "boot/firmware/config.txt")) }, "boot", "sudo"},
		"a console on the port": {func(s *System) { s.put(t, "proc/cmdline", "console=serial0,115200 console=tty1\n") }, "console", "serial0,115200"},
		"outputs outlive":       {func(s *System) { s.put(t, "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs", "Y\n") }, "persist", "strict_gpiod"},
		"a driver that is mute": {func(s *System) {
			os.Remove(filepath.Join(s.Root, "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs"))
		}, "persist", "unplugged"},
		"no watchdog":       {func(s *System) { os.Remove(filepath.Join(s.Root, "sys/class/watchdog/watchdog0/state")) }, "watchdog", "RuntimeWatchdogSec"},
		"a hungry watchdog": {func(s *System) { s.put(t, "sys/class/watchdog/watchdog0/state", "inactive\n") }, "watchdog", "Nobody feeds"},
		"no time":           {func(s *System) { s.Synchronised = func() bool { return false } }, "clock", "timedatectl"},
		"read-only": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 0, 0, errors.New("read-only file system") }
		}, "disk", "No session starts"},
		"full": {func(s *System) { s.Disk = func(string) (uint64, time.Duration, error) { return 9 << 20, 0, nil } }, "disk", "9 MB"},
		"a worn card": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 4 << 30, 3 * time.Second, nil }
		}, "disk", "wearing out"},
		"never started": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 0, 0, fs.ErrNotExist }
		}, "disk", "Start it once: sudo systemctl enable --now portillond@laser"},
		"what portillond refuses": {func(s *System) {
			s.Check = func() machined.Checked {
				return machined.Checked{Faults: []error{errors.New("relay.pin: no GPIO chip")}, Warnings: []string{"card-key: everybody may read it"}, Unseen: []string{"machine-key: root's alone"}}
			}
		}, "check check check", "relay.pin: no GPIO chip"},
		"a bundle that portillond refuses": {func(s *System) {
			s.Check = func() machined.Checked { return machined.Checked{Faults: []error{errors.New("bundle: file: none")}} }
			s.Life = func(string) (time.Time, time.Time, error) { return time.Time{}, time.Time{}, fs.ErrNotExist }
		}, "check", "bundle: file: none"},
		"an include that is gone": {func(s *System) {
			b, _ := os.ReadFile(filepath.Join(s.Root, "boot/firmware/config.txt"))
			s.put(t, "boot/firmware/config.txt", "include none.txt\n"+string(b))
		}, "boot", "/boot/firmware/none.txt, which config.txt includes, cannot be read"},
		"an include that takes back": {func(s *System) {
			b, _ := os.ReadFile(filepath.Join(s.Root, "boot/firmware/config.txt"))
			s.put(t, "boot/firmware/more.txt", "gpio=17=dh")
			s.put(t, "boot/firmware/config.txt", string(b)+"include more.txt\n")
		}, "boot", "gpio=17=op,dl,pd"},
		"not yours": {func(s *System) {
			s.Disk = func(string) (uint64, time.Duration, error) { return 0, 0, fs.ErrPermission }
		}, "disk", "sudo"},
		"worn by its own word": {func(s *System) { s.put(t, "sys/block/mmcblk0/device/pre_eol_info", "0x03\n") }, "wear", "Replace"},
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
			c, s := pi(t)
			x.harm(&s)
			found := Examine(t.Context(), c, s)
			if got := strings.Join(ills(found), " "); got != x.want {
				t.Errorf("found %q, want %q", got, x.want)
			}
			if !slices.ContainsFunc(found, func(f Finding) bool { return f.State != Well && strings.Contains(f.Fact.EN+" "+f.Cure.EN, x.words) }) {
				t.Errorf("nobody says %q: %+v", x.words, found)
			}
		})
	}
}

// The daemon remembers who vouched for the clock, and cards work: nothing is wrong.
func TestClockThatTheDaemonBelievesIsWell(t *testing.T) {
	c, s := pi(t)
	s.Synchronised = func() bool { return false }
	s.Status = func(context.Context) (control.Status, error) {
		return control.Status{Reader: true, Clock: string(wire.ClockTrusted)}, nil
	}
	if got := ills(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// The lines may stand in a file that config.txt includes.
func TestIncludedLinesCount(t *testing.T) {
	c, s := pi(t)
	s.put(t, "boot/firmware/config.txt", "arm_64bit=1\ninclude portillon.txt\n")
	s.put(t, "boot/firmware/portillon.txt", c.Fragment("laser.yaml"))
	if got := ills(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// A bundle of the usual 30 days is well for 23 of them, one of a week for two thirds of it.
func TestBundleIsWellForMostOfItsLife(t *testing.T) {
	for _, x := range []struct{ life, left, want int }{{30, 29, 0}, {30, 8, 0}, {30, 6, 1}, {6, 3, 0}, {6, 1, 1}, {365, 8, 0}, {365, 6, 1}} {
		c, s := pi(t)
		s.Life = func(string) (time.Time, time.Time, error) {
			return noon.AddDate(0, 0, x.left-x.life), noon.AddDate(0, 0, x.left), nil
		}
		if got := ills(Examine(t.Context(), c, s)); len(got) != x.want {
			t.Errorf("of %d days %d are left: %q", x.life, x.left, got)
		}
	}
}

// Simulated pins on a PC: no watchdog, no config.txt, and nothing wrong with that.
func TestComputerWithSimulatedPinsNeedsNoFirmware(t *testing.T) {
	_, s := pi(t)
	c, err := machined.ReadConfig("../../../firmware-config/bench.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.Root = t.TempDir()
	if got := ills(Examine(t.Context(), c, s)); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// A reader is looked for where its port says, whatever bus stands before it.
func TestReaderThatIsNotThereIsSaid(t *testing.T) {
	for port, file := range map[string]string{"/dev/ttyAMA0": "/dev/ttyAMA0", "serial:/dev/ttyAMA0": "/dev/ttyAMA0", "i2c:/dev/i2c-1": "/dev/i2c-1", "spi:/dev/spidev0.0": "/dev/spidev0.0"} {
		for _, there := range []bool{true, false} {
			c, s := pi(t)
			c.Reader.Port = port
			s.Status = func(context.Context) (control.Status, error) { return control.Status{}, errors.New("refused") }
			if there {
				s.put(t, file, "")
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

// The true looks, on what every computer has.
func TestHereLooksAtTheRealThing(t *testing.T) {
	c, _ := pi(t)
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
