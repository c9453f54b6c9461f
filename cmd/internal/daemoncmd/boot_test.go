package daemoncmd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portillon/cmd/internal/bootconfig"
	"portillon/rfid"
)

// Each machine.yaml in firmware-config/ has a boot fragment in the same folder. The fragment in the folder equals the
// fragment that portillond computes from machine.yaml.
//
//	To write the fragments, run: UPDATE=1 go test ./cmd/internal/daemoncmd -run Fragment
func TestShippedBootFragmentsMatchTheirMachineYaml(t *testing.T) {
	paths, _ := filepath.Glob("../../../firmware-config/*.yaml")
	for _, p := range paths {
		c, err := ReadConfig(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(c.Relay.Pin, "sim:") {
			continue
		}
		file := strings.TrimSuffix(p, ".yaml") + ".config.txt"
		want := c.Fragment(filepath.Base(p))
		if os.Getenv("UPDATE") != "" {
			os.WriteFile(file, []byte(want), 0o644)
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", file, err, got, want)
		}
		for _, b := range append(bootconfig.Boards(), bootconfig.Board{}) {
			if m := c.Missing(string(got), b); len(m) > 0 {
				t.Errorf("%s on %q: the fragment lacks its own lines %v", p, b.Model, m)
			}
		}
	}
}

// The boot fragment of the screen can be combined with the fragment of each wiring, in both orders. The screen's
// fragment overrides no setting of the wiring's fragment, and the wiring's fragment overrides none of the screen's.
func TestBootFragmentOfTheScreenCanBeCombinedWithEveryWiring(t *testing.T) {
	screen, err := os.ReadFile("../../../firmware-config/panel/screen.config.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"dtoverlay=vc4-kms-v3d", "display_auto_detect=1", "disable_splash=1"} {
		if !certainlySets(string(screen), "Raspberry Pi 4 Model B", want) {
			t.Errorf("there is no %s", want)
		}
	}
	paths, _ := filepath.Glob("../../../firmware-config/*.config.txt")
	for _, p := range paths {
		c, err := ReadConfig(strings.TrimSuffix(p, ".config.txt") + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		wiring, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, whole := range []string{string(wiring) + string(screen), string(screen) + string(wiring)} {
			if m := c.Missing(whole, bootconfig.BoardOf("Raspberry Pi 5 Model B", nil)); len(m) > 0 ||
				!certainlySets(whole, "Raspberry Pi 5 Model B", "dtoverlay=vc4-kms-v3d") {
				t.Errorf("%s beside the screen's lacks %v", p, m)
			}
		}
	}
	if len(paths) < 4 {
		t.Fatalf("only %d wirings were seen", len(paths))
	}
}

// certainlySets reports whether a config.txt contains a setting that certainly applies to a board.
func certainlySets(config, model, text string) bool {
	return slices.ContainsFunc(bootconfig.Settings(config, bootconfig.BoardOf(model, nil)),
		func(s bootconfig.Setting) bool {
			return s.Text == text && !s.Maybe
		})
}

func TestConfigTxtIsEvaluatedLikeTheFirmware(t *testing.T) {
	c := Config{
		Machine: "laser",
		Relay:   RelayConfig{Pin: "gpio:pinctrl-/17"},
		Reader:  ReaderConfig{Kind: "rdm6300", Values: rfid.Values{"port": "/dev/ttyAMA0"}},
	}
	whole := c.Fragment("laser.yaml")
	for name, x := range map[string]struct {
		config, model string
		missing       string
	}{
		"whole": {whole, "Raspberry Pi 4 Model B", ""},
		"nothing": {"", "Raspberry Pi 4 Model B",
			"gpio=17=op,dl,pd dtparam=strict_gpiod dtparam=watchdog=on enable_uart=1 dtoverlay=disable-bt"},
		"of a Pi 5": {"", "Raspberry Pi 5 Model B",
			"gpio=17=op,dl,pd dtparam=strict_gpiod dtparam=watchdog=on enable_uart=1 dtparam=uart0=on"},
		"after another's filter": {"[pi5]\n" +
			strings.TrimPrefix(strings.SplitN(whole, "[pi0]", 2)[0][strings.Index(whole, "gpio=17"):],
				"[all]"), "Raspberry Pi 3 Model B",
			"gpio=17=op,dl,pd dtparam=strict_gpiod dtparam=watchdog=on enable_uart=1 dtoverlay=disable-bt"},
		"taken back": {whole + "gpio=17=op,dh\nenable_uart=0\n", "Raspberry Pi 4 Model B",
			"gpio=17=op,dl,pd enable_uart=1"},
		"commented out": {strings.ReplaceAll(whole, "gpio=17", "#gpio=17"), "Raspberry Pi 4 Model B",
			"gpio=17=op,dl,pd"},
		"other spellings": {strings.NewReplacer("dtparam=watchdog=on", "dtparam=watchdog", "strict_gpiod",
			"strict_gpiod=on").Replace(whole), "Raspberry Pi 4 Model B", ""},
		"several parameters on one line": {strings.NewReplacer("dtparam=watchdog=on\n", "", "dtparam=strict_gpiod",
			"dtparam=strict_gpiod,watchdog=on").Replace(whole), "Raspberry Pi 4 Model B", ""},
		"another order of words": {strings.ReplaceAll(whole, "op,dl,pd", "dl,op"), "Raspberry Pi 4 Model B", ""},
		"in two lines": {strings.ReplaceAll(whole, "gpio=17=op,dl,pd", "gpio=17=op\ngpio=17=dl"),
			"Raspberry Pi 4 Model B", ""},
		"without the chip's own pull": {strings.ReplaceAll(whole, "op,dl,pd", "op,dl"), "Raspberry Pi 4 Model B", ""},
		"pulled up before": {"gpio=0-27=pu\n" + strings.ReplaceAll(whole, "op,dl,pd", "op,dl"),
			"Raspberry Pi 4 Model B", "gpio=17=op,dl,pd"},
		"pulled up afterwards": {whole + "gpio=17=pu\n", "Raspberry Pi 4 Model B", "gpio=17=op,dl,pd"},
		"an output without a level": {strings.ReplaceAll(whole, "op,dl,pd", "op"), "Raspberry Pi 4 Model B",
			"gpio=17=op,dl,pd"},
		"two taken back on one line": {whole + "dtparam=watchdog=off,strict_gpiod=off\n", "Raspberry Pi 4 Model B",
			"dtparam=strict_gpiod dtparam=watchdog=on"},
	} {
		var got []string
		for _, l := range c.Missing(x.config, bootconfig.BoardOf(x.model, nil)) {
			got = append(got, l.Text)
		}
		if s := strings.Join(got, " "); s != x.missing {
			t.Errorf("%s: missing %q, want %q", name, s, x.missing)
		}
	}
}

// A test reads each file that ships in firmware-config/ and systemd/: tests of this package and of hubd read .yaml and
// config.txt files; tests of packaging/ read rules, units and the screen's page.
func TestEachShippedFileIsReadByATest(t *testing.T) {
	for _, dir := range []string{"../../../firmware-config", "../../../systemd"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "circuit" { // this program calculates the drawings and is not shipped
				return filepath.SkipDir
			}
			if err != nil || d.IsDir() {
				return err
			}
			switch filepath.Ext(path) {
			case ".yaml", ".rules", ".service", ".path", ".conf", ".md", ".html", ".go":
				// Go files describe the circuits and are tested in their own package
			case ".txt":
				if !strings.HasSuffix(path, ".config.txt") {
					t.Errorf("%s: nobody reads it", path)
				}
			case ".svg":
				checkDrawing(t, path)
			default:
				t.Errorf("%s: nobody reads it", path)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// checkDrawing checks that an SVG is well-formed, has a title for screen readers, and loads nothing from the network.
func checkDrawing(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	titled := false
	for x := xml.NewDecoder(bytes.NewReader(b)); ; {
		tok, err := x.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			titled = titled || e.Name.Local == "title"
			for _, a := range e.Attr {
				if a.Name.Local == "href" || e.Name.Local == "script" {
					t.Errorf("%s: %s %s", path, e.Name.Local, a.Value)
				}
			}
		}
	}
	if !titled {
		t.Errorf("%s has no title", path)
	}
}
