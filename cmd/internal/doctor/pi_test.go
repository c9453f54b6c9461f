//go:build linux

package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"portillon/cmd/internal/bootconfig"
	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/pitest"
	"portillon/rfid"
)

// systemctl prints durations in these formats (systemd, format_timespan).
func TestDurationsPrintedBySystemctlAreParsed(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "1min": time.Minute, "15s": 15 * time.Second,
		"1min 30s": 90 * time.Second, "infinity": longest,
		"1.500s": 1500 * time.Millisecond, "2h": 2 * time.Hour, "500ms": 500 * time.Millisecond, "1min\n": time.Minute,
		"1w": 7 * 24 * time.Hour} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", "min", "1", "1 min", "-1s", "NaNs", "1e9s", "1y?", "1fortnight"} {
		if got, err := parseSpan(text); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}

func FuzzSpan(f *testing.F) {
	f.Add("1min 30s")
	f.Add("infinity")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseSpan(text); err == nil && (got < 0 || got > 365*24*time.Hour) {
			t.Errorf("%q is %v", text, got)
		}
	})
}

// A watchdog of 15 s might reset a Zero W during a daemon-reload, which takes 13.5 s on that model. The doctor
// therefore requires a watchdog of at least 30 s.
func TestWatchdogTimeoutBelow30SecondsIsReported(t *testing.T) {
	for span, want := range map[string]State{"0": Ill, "15s": Ill, "29s": Ill, "30s": Well, "1min": Well,
		"infinity": Well, "soon": Unknown} {
		c, s := healthyPi(t)
		s.setWatchdog(span)
		if got := worstState(Examine(t.Context(), c, s), "watchdog"); got != want {
			t.Errorf("RuntimeWatchdogSec of %s is %d, want %d", span, got, want)
		}
	}
}

// worstState returns the worst state among the findings of one check.
func worstState(found []Finding, look string) State {
	out := Well
	for _, f := range found {
		switch {
		case f.Look == look && f.State == Ill:
			return Ill
		case f.Look == look && f.State == Unknown:
			out = Unknown
		}
	}
	return out
}

func TestTrustedClockWithoutAWorkingClockChipIsReported(t *testing.T) {
	at := func(d time.Duration) string { return fmt.Sprintf("%d\n", noon.Add(d).Unix()) }
	for name, x := range map[string]struct {
		epoch, charging string
		want            State
		words           string
	}{
		"right":                   {at(2 * time.Second), "", Well, "The real-time clock is right"},
		"none":                    {"", "", Ill, "no clock keeps time without power"},
		"lost":                    {"86400\n", "0", Ill, "says 1970-01-02 00:00"},
		"ahead":                   {at(time.Hour), "", Ill, "did not keep the time"},
		"a Pi 5's, not charged":   {at(0), "0\n", Well, "right for one that is not rechargeable"},
		"a Pi 5's, charged":       {at(0), "3000000\n", Well, "charged to 3000000 µV: for a rechargeable one only"},
		"a clock that says words": {"noon\n", "", Ill, "no clock keeps time"},
	} {
		c, s := healthyPi(t)
		c.Clock = "trusted"
		if x.epoch != "" {
			s.put(t, "sys/class/rtc/rtc0/since_epoch", x.epoch)
		}
		if x.charging != "" {
			s.put(t, "sys/class/rtc/rtc0/charging_voltage", x.charging)
		}
		found := Examine(t.Context(), c, s)
		i := slices.IndexFunc(found, func(f Finding) bool { return f.Look == "rtc" })
		if i < 0 || found[i].State != x.want || !strings.Contains(found[i].Fact.EN, x.words) || found[i].Fact.FR == "" {
			t.Errorf("%s: %+v, want %q", name, found[max(i, 0)], x.words)
		}
		if c.Clock = "ntp"; worstState(Examine(t.Context(), c, s), "rtc") != Well {
			t.Errorf("%s: an RTC is asked for with clock: ntp", name)
		}
	}
}

// If a specific finding explains a fault in both languages, the general finding "check" does not repeat that fault. The
// finding "check" still contains all other faults.
func TestEachFaultIsReportedOnlyOnce(t *testing.T) {
	c, s := healthyPi(t)
	// This Pi has two faults: outputs stay driven after their program has died, and the reader is on I²C.
	root, err := pitest.Tree("4-trixie")
	if err != nil {
		t.Fatal(err)
	}
	c.Reader = daemoncmd.ReaderConfig{Kind: "pn532", Values: rfid.Values{"port": "i2c:/dev/i2c-1"}}
	root["proc/self/mountinfo"] = &fstest.MapFile{Data: []byte(overlayMounts)}
	s.Root = root
	s.Check = func() daemoncmd.Checked {
		found := c.CheckPi(daemoncmd.Computer{Root: root})
		found.Faults = append(found.Faults, errors.New("card-key: gone"))
		return found
	}
	found := Examine(t.Context(), c, s)
	var said []string
	for _, f := range found {
		if f.State == Ill && f.Look != "boot" {
			said = append(said, f.Look)
		}
	}
	if got := strings.Join(said, " "); got != "check persist bus storage" ||
		!strings.Contains(found[0].Fact.EN, "card-key") {
		t.Errorf("%s: %+v", got, found)
	}
	// If the doctor cannot perform the specific check, the general finding "check" reports the fault.
	s.Root = fstest.MapFS{}
	if worstState(Examine(t.Context(), c, s), "check") != Ill ||
		!slices.ContainsFunc(Examine(t.Context(), c, s),
			func(f Finding) bool { return strings.Contains(f.Fact.EN, "relay.mode: level") }) {
		t.Error("a fault of the check was left out where no look found it")
	}
}

// The console of a Pi 5 is on its debug connector, not on the header's port.
func TestDoctorAcceptsTheConsoleOnTheDebugConnectorOfAPi5(t *testing.T) {
	for word, want := range map[string]State{"console=ttyAMA10,115200": Well, "console=ttyAMA0,115200": Ill,
		"console=ttyS0,115200": Ill, "console=serial0": Ill, "console=tty1": Well} {
		c, s := healthyPi(t)
		s.put(t, "proc/cmdline", "root=x "+word+"\n")
		if got := worstState(Examine(t.Context(), c, s), "console"); got != want {
			t.Errorf("%s: %d, want %d", word, got, want)
		}
	}
}

// The doctor reports no fault for a line that the machine's own block overrides. The doctor reports a fault for a line
// that uses one of the machine's pins.
func TestDoctorAcceptsALineThatTheMachinesBlockOverrides(t *testing.T) {
	for line, want := range map[string]State{"enable_uart=0": Well, "gpio=17=op,dh": Well,
		"dtoverlay=gpio-shutdown,gpio_pin=17": Ill, "dtparam=uart0_console": Ill, "dtparam=uart0_console=off": Well} {
		c, s := healthyPi(t)
		r, err := c.ApplyBoot(line+"\n", "", bootconfig.ReadBoard(s.Root))
		if err != nil {
			t.Fatal(err)
		}
		s.put(t, "boot/firmware/config.txt", r.Config)
		if got := worstState(Examine(t.Context(), c, s), "boot"); got != want {
			t.Errorf("%s: %d, want %d", line, got, want)
		}
	}
}
