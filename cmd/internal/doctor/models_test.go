//go:build linux

package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"portillon/cmd/internal/bootconfig"
	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/pitest"
)

// shippedWirings returns all shipped wirings except the simulated wiring.
func shippedWirings(t *testing.T) map[string]daemoncmd.Config {
	t.Helper()
	paths, _ := filepath.Glob("../../../firmware-config/*.yaml")
	out := map[string]daemoncmd.Config{}
	for _, p := range paths {
		c, err := daemoncmd.ReadConfig(p)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Simulated() {
			out[filepath.Base(p)] = c
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %d wirings were found", len(out))
	}
	return out
}

// For every shipped wiring on every model and OS, testdata/models contains the files that "firmware apply" writes. The
// folder also contains the reports of -check and of the doctor before "firmware apply" and after the reboot.
//
//	UPDATE=1 go test ./cmd/internal/doctor -run Model
func TestReportsOfEveryWiringOnEveryModelEqualTestdata(t *testing.T) {
	wirings, names := shippedWirings(t), pitest.Names()
	if len(names) != 14 {
		t.Errorf("%d trees, want 7 models × 2 OS", len(names))
	}
	for _, name := range names {
		var b strings.Builder
		for _, file := range sortedKeys(wirings) {
			fmt.Fprintf(&b, "== %s\n", file)
			writeResults(t, &b, name, wirings[file])
		}
		golden := filepath.Join("testdata/models", name+".txt")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != b.String() {
			t.Errorf("%s: %v\n%s\nwant\n%s", golden, err, b.String(), want)
		}
	}
}

func sortedKeys[V any](m map[string]V) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// writeResults writes the results for one wiring on one Pi.
func writeResults(t *testing.T, b *strings.Builder, name string, c daemoncmd.Config) {
	t.Helper()
	root, err := pitest.Tree(name)
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString("-- as shipped\n")
	writeReports(t, b, c, root)
	board := bootconfig.ReadBoard(root)
	r, err := c.ApplyBoot(string(root[config].Data), string(root[cmdline].Data), board)
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString("-- firmware apply\n")
	added := strings.TrimPrefix(r.Config, string(root[config].Data))
	fmt.Fprintf(b, "config.txt: %d lines added, of which here count:", strings.Count(added, "\n"))
	for _, s := range bootconfig.Settings(added, board) {
		fmt.Fprintf(b, " %s", s.Text)
	}
	fmt.Fprintf(b, "\ncmdline.txt: %s", r.Cmdline)
	for _, text := range r.Conflicts {
		fmt.Fprintf(b, "conflict: %s\n", text)
	}
	reboot(root, r, board)
	if again, err := c.ApplyBoot(r.Config, r.Cmdline, board); err != nil || again.Changed {
		t.Errorf("%s, %s: a second time it changes something: %v", name, c.Machine, err)
	}
	b.WriteString("-- after the reboot\n")
	writeReports(t, b, c, root)
}

const (
	config  = "boot/firmware/config.txt"
	cmdline = "boot/firmware/cmdline.txt"
)

// reboot changes the kernel's state according to config.txt and cmdline.txt.
func reboot(root fstest.MapFS, r bootconfig.Result, b bootconfig.Board) {
	root[config].Data, root[cmdline].Data = []byte(r.Config), []byte(r.Cmdline)
	if !strings.Contains(r.Cmdline, "serial0") { // replace serial0 by the port's own name, like the firmware
		var kept []string
		for word := range strings.FieldsSeq(string(root["proc/cmdline"].Data)) {
			if !strings.HasPrefix(word, "console=ttyS") && !strings.HasPrefix(word, "console=ttyAMA") {
				kept = append(kept, word)
			}
		}
		root["proc/cmdline"].Data = []byte(strings.Join(kept, " "))
	}
	for _, s := range bootconfig.Settings(r.Config, b) {
		if s.Text == "dtparam=strict_gpiod" && !s.Maybe {
			for path, f := range root {
				if strings.HasSuffix(path, "/persist_gpio_outputs") {
					f.Data = []byte("N\n")
				}
			}
		}
	}
}

// writeReports writes the reports of the check and of the doctor about the computer. Other tests cover keys, bundle,
// daemon and broker.
func writeReports(t *testing.T, b *strings.Builder, c daemoncmd.Config, root fstest.MapFS) {
	t.Helper()
	span := strings.TrimSpace(string(root[pitest.Watchdog].Data))
	found := c.CheckPi(daemoncmd.Computer{Root: root})
	for _, err := range found.Faults {
		fmt.Fprintf(b, "refuses   %v\n", err)
	}
	for _, w := range found.Warnings {
		fmt.Fprintf(b, "warns     %s\n", w)
	}
	for _, u := range found.Unseen {
		fmt.Fprintf(b, "unseen    %s\n", u)
	}
	_, s := healthyPi(t)
	s.Root, s.Check = root, func() daemoncmd.Checked { return found }
	s.Watchdog = func(context.Context) (string, error) { return span, nil }
	for _, f := range Examine(t.Context(), c, s) {
		if slices.Contains([]string{"boot", "console", "persist", "watchdog", "bus", "storage", "rtc"}, f.Look) {
			state, _ := f.State.MarshalText()
			fmt.Fprintf(b, "%-9s %s: %s\n", state, f.Look, f.Fact.EN)
		}
	}
}
