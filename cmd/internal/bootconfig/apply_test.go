package bootconfig

import (
	"fmt"
	"strings"
	"testing"
)

var pi4 = BoardOf("Raspberry Pi 4 Model B Rev 1.5", nil)

// laser returns a machine with a relay and a serial reader, with the same lines that portillond needs.
func laser() Machine {
	return Machine{Name: "laser", Serial: true, Lines: []Line{
		{"all", "gpio=17=op,dl,pd", "relay.pin"},
		{"all", "dtparam=strict_gpiod", "why"},
		{"all", "enable_uart=1", "the reader"},
		{"pi0", "dtoverlay=disable-bt", "Bluetooth"},
		{"pi3", "dtoverlay=disable-bt", "Bluetooth"},
		{"pi4", "dtoverlay=disable-bt", "Bluetooth"},
		{"pi5", "dtparam=uart0=on", "the header"},
	}}
}

const stock = "# Raspberry Pi OS\ndtparam=audio=on\n[cm4]\notg_mode=1\n\n[all]\n"

const cmdline = "console=serial0,115200 console=tty1 root=PARTUUID=x rootwait\n"

func applied(t *testing.T, config, cmdline string, m Machine, b Board) Result {
	t.Helper()
	r, err := Apply(config, cmdline, m, b)
	if err != nil {
		t.Fatalf("%q: %v", config, err)
	}
	return r
}

func TestApplyAddsABlockAtTheEnd(t *testing.T) {
	r := applied(t, stock, cmdline, laser(), pi4)
	if !r.Changed || !strings.HasPrefix(r.Config, stock+"# portillon laser: begin\n") ||
		!strings.HasSuffix(r.Config, "[all]\n# portillon laser: end\n") {
		t.Errorf("config.txt is\n%s", r.Config)
	}
	if r.Cmdline != "console=tty1 root=PARTUUID=x rootwait\n" {
		t.Errorf("cmdline.txt is %q", r.Cmdline)
	}
	if len(r.Conflicts) > 0 {
		t.Errorf("conflicts: %q", r.Conflicts)
	}
}

func TestSecondCallOfApplyChangesNothing(t *testing.T) {
	for name, config := range map[string]string{
		"stock":              stock,
		"empty":              "",
		"no newline":         "dtparam=audio=on",
		"windows":            strings.ReplaceAll(stock, "\n", "\r\n"),
		"an open filter":     "[pi5]\nx=1\n",
		"a contradiction":    "dtparam=strict_gpiod=off\n",
		"a later overlay":    stock + "dtoverlay=disable-bt\n",
		"a later pin":        "gpio=17=op,dh\n",
		"another's block":    stock + "# portillon saw: begin\n[all]\ngpio=27=op,dl,pd\n# portillon saw: end\n",
		"a filter by a pin":  "[gpio4=1]\ngpio=17=op,dh\n",
		"after none":         "[none]\nx=1\n",
		"a comment in latin": "# caf\xe9\n",
		"a tab":              "#\tx\n",
	} {
		for _, b := range append(Boards(), Board{}) {
			first := applied(t, config, cmdline, laser(), b)
			second := applied(t, first.Config, first.Cmdline, laser(), b)
			if !first.Changed || second.Changed {
				t.Errorf("%s on %q: changed %v, then %v:\n%s", name, b.Model, first.Changed, second.Changed, second.Config)
			}
			if m := laser().missing(first.Config, b); len(m) > 0 {
				t.Errorf("%s on %q: %v is missing", name, b.Model, m)
			}
			if rest := strings.Replace(first.Config, laserBlock(first.Config), "", 1); rest != withNewline(config) {
				t.Errorf("%s: outside the block there is now %q, was %q", name, rest, config)
			}
		}
	}
}

func laserBlock(config string) string { _, block, _, _ := split(config, "laser"); return block }

// It does not matter whether a person or the command firmware render has added the lines, whether an included file
// contains the lines, or in which order the lines are.
func TestApplyChangesNothingIfAllLinesArePresent(t *testing.T) {
	config := stock + Fragment(laser().Lines)
	free := "console=tty1 root=PARTUUID=x\n"
	for name, b := range map[string]Board{"this model": pi4, "every model": {}} {
		if r := applied(t, config, free, laser(), b); r.Changed || r.Config != config {
			t.Errorf("%s: it changed to\n%s", name, r.Config)
		}
	}
	if r := applied(t, stock+"gpio=17=dl,op\ndtparam=strict_gpiod=on\nenable_uart=1\ndtoverlay=disable-bt\n", free,
		laser(), pi4); r.Changed {
		t.Errorf("it changed to\n%s", r.Config)
	}
}

func TestBlockOfAnOlderWiringIsReplacedInPlace(t *testing.T) {
	old := laser()
	old.Lines = append([]Line{{"all", "gpio=5=ip,pu", "relay.door"}}, old.Lines...)
	tail := "[pi4]\narm_boost=1\n"
	config := applied(t, stock, cmdline, old, pi4).Config + tail
	r := applied(t, config, cmdline, laser(), pi4)
	if strings.Contains(r.Config, "gpio=5") || !strings.HasSuffix(r.Config, "# portillon laser: end\n"+tail) ||
		strings.Count(r.Config, "begin") != 1 {
		t.Errorf("config.txt is\n%s", r.Config)
	}
}

func TestBlockMovesBelowALaterLineThatOverridesTheBlock(t *testing.T) {
	later := "gpio=17=op,dh\n"
	config := applied(t, stock, cmdline, laser(), pi4).Config + later
	r := applied(t, config, cmdline, laser(), pi4)
	if !strings.HasPrefix(r.Config, stock+later+"# portillon laser: begin") || len(laser().missing(r.Config, pi4)) > 0 {
		t.Errorf("config.txt is\n%s", r.Config)
	}
	want := "config.txt:7: gpio=17=op,dh: the machine laser needs gpio=17=op,dl,pd"
	if len(r.Conflicts) != 1 || r.Conflicts[0] != want {
		t.Errorf("conflicts %q, want %q", r.Conflicts, want)
	}
}

func TestEachMachineHasItsOwnBlock(t *testing.T) {
	saw := Machine{Name: "saw", Lines: []Line{{"all", "gpio=27=op,dl,pd", "relay.pin"},
		{"all", "dtparam=strict_gpiod", "why"}}}
	both := applied(t, applied(t, stock, cmdline, laser(), pi4).Config, cmdline, saw, pi4).Config
	for _, m := range []Machine{laser(), saw} {
		if r := applied(t, both, "console=tty1\n", m, pi4); r.Changed || len(r.Conflicts) > 0 ||
			strings.Count(both, "# portillon "+m.Name+": ") != 2 {
			t.Errorf("%s: changed %v, conflicts %q\n%s", m.Name, r.Changed, r.Conflicts, r.Config)
		}
	}
	saw.Lines[0].Text = "gpio=17=op,dl,pd"
	r := applied(t, both, cmdline, saw, pi4)
	if len(r.Conflicts) != 1 || !strings.HasSuffix(r.Conflicts[0],
		"gpio=17=op,dl,pd: GPIO 17 is also in the block of the machine laser") {
		t.Errorf("a line of two machines: %q", r.Conflicts)
	}
}

// The block repeats settings that are also set outside the block, because the lines outside may change later. Apply
// leaves a line out of the block only if the line loads an overlay that the file already loads.
func TestBlockContainsSettingsThatAreAlsoSetOutsideTheBlock(t *testing.T) {
	r := applied(t, stock+"enable_uart=1\ndtoverlay=disable-bt\n", cmdline, laser(), pi4)
	if block := laserBlock(r.Config); !strings.Contains(block, "\nenable_uart=1\n") ||
		strings.Contains(block, "disable-bt") {
		t.Errorf("the block is\n%s", block)
	}
}

// A dtoverlay line that applies twice loads the overlay twice.
func TestNoBoardLoadsAnOverlayTwice(t *testing.T) {
	for name, config := range map[string]string{
		"stock": stock, "under all": stock + "dtoverlay=disable-bt\n", "pasted": stock +
			strings.Replace(Fragment(laser().Lines), "gpio=17=op", "gpio=17=ip", 1),
		"under one": stock + "[pi4]\ndtoverlay=disable-bt\n",
	} {
		for _, at := range Boards() {
			got := applied(t, config, cmdline, laser(), at).Config
			for _, b := range Boards() {
				n := 0
				for _, l := range rawLines(got, b) {
					if l.text == "dtoverlay=disable-bt" {
						n++
					}
				}
				if n > 1 && !(name == "under one" && strings.HasPrefix(b.Filters[len(b.Filters)-1], "pi4")) {
					t.Errorf("%s, applied on %s: %s loads it %d times:\n%s", name, at.Model, b.Model, n, got)
				}
			}
		}
	}
}

func TestLinesThatContradictTheMachineAreReported(t *testing.T) {
	for line, want := range map[string]string{
		"dtparam=strict_gpiod=off":            "the machine laser needs dtparam=strict_gpiod",
		"enable_uart=0":                       "the machine laser needs enable_uart=1",
		"gpio=16-18=op,dh":                    "the machine laser needs gpio=17=op,dl,pd",
		"dtoverlay=gpio-ir,gpio_pin=17":       "the overlay takes GPIO 17",
		"dtoverlay=gpio-shutdown,gpio_pin=17": "the overlay takes GPIO 17",
		"dtoverlay=miniuart-bt":               "the overlay leaves the header's serial port with Bluetooth",
		"dtparam=uart0_console":               "the kernel's console goes to the header's serial port",
		"dtoverlay=gpio-ir,gpio_pin=18":       "",
		"dtoverlay=disable-bt":                "",
		"dtparam=spi=off":                     "",
		"[pi5]\ngpio=17=op,dh":                "",
		"dtparam=uart0=off":                   "", // the line is valid only on a Pi 5, because only a Pi 5 has uart0
		"gpio=17=op":                          "the machine laser needs gpio=17=op,dl,pd",
	} {
		r := applied(t, stock+line+"\n", cmdline, laser(), pi4)
		if want == "" && len(r.Conflicts) > 0 || want != "" &&
			(len(r.Conflicts) != 1 || !strings.Contains(r.Conflicts[0], want)) {
			t.Errorf("%q: conflicts %q, want %q", line, r.Conflicts, want)
		}
	}
	w1 := Machine{Name: "laser", Lines: []Line{{"all", "gpio=4=ip,pu", "relay.e-stop"}}}
	if r := applied(t, "dtoverlay=w1-gpio\n", "", w1, pi4); len(r.Conflicts) != 1 ||
		!strings.Contains(r.Conflicts[0], "GPIO 4") {
		t.Errorf("w1-gpio without a pin: %q", r.Conflicts)
	}
	maybe := applied(t, stock+"[EDID=x]\ngpio=17=op,dh\n", cmdline, laser(), pi4)
	if len(maybe.Conflicts) != 1 || !strings.Contains(maybe.Conflicts[0], "(under a filter that may match)") {
		t.Errorf("under a monitor's filter: %q", maybe.Conflicts)
	}
}

func TestSerialConsolesAreRemovedFromTheCommandLine(t *testing.T) {
	for was, want := range map[string]string{
		"console=serial0,115200 console=tty1 root=x\n":        "console=tty1 root=x\n",
		"console=tty1 root=x console=serial0,115200":          "console=tty1 root=x",
		"console=tty1 console=serial0,115200 root=x  quiet\n": "console=tty1 root=x  quiet\n",
		"console=ttyAMA0,115200 console=ttyS0 root=x\n":       "root=x\n",
		"console=ttyAMA10,115200 console=tty1\n":              "console=ttyAMA10,115200 console=tty1\n",
		"console=tty1 root=x\n":                               "console=tty1 root=x\n",
		"console=tty1 root=x\n\n":                             "console=tty1 root=x\n\n",
		"console=serial0,115200 console=tty1\r\n":             "console=tty1\r\n",
		"fconsole=serial0,115200 foo=console=serial0,115200 a=b\n": "fconsole=serial0,115200 foo=console=serial0,115200 " +
			"a=b\n",
		"": "",
	} {
		if r := applied(t, stock, was, laser(), pi4); r.Cmdline != want {
			t.Errorf("%q became %q, want %q", was, r.Cmdline, want)
		}
	}
	usb := laser()
	usb.Serial = false
	if r := applied(t, stock, cmdline, usb, pi4); r.Cmdline != cmdline {
		t.Errorf("a machine without a reader on the serial port changed cmdline.txt: %q", r.Cmdline)
	}
}

func TestApplyRejectsFilesThatItCannotEdit(t *testing.T) {
	for name, x := range map[string]struct {
		config, cmdline, machine, want string
	}{
		"binary":              {"a\x00b", cmdline, "laser", "0x00"},
		"oversize":            {strings.Repeat("#\n", maxConfig/2+1), cmdline, "laser", "bytes, want at most"},
		"two command lines":   {stock, "console=tty1\nroot=x\n", "laser", "more than one line"},
		"a block without end": {stock + "# portillon laser: begin\n", cmdline, "laser", "has no end"},
		"an end alone":        {stock + "# portillon laser: end\n", cmdline, "laser", "do not pair"},
		"two blocks": {strings.Repeat("# portillon laser: begin\n# portillon laser: end\n", 2), cmdline, "laser",
			"do not pair"},
		"a name with a line": {stock, cmdline, "la\nser", "letters, digits"},
		"no name":            {stock, cmdline, "", "letters, digits"},
	} {
		m := laser()
		m.Name = x.machine
		if r, err := Apply(x.config, x.cmdline, m, pi4); err == nil || !strings.Contains(err.Error(), x.want) ||
			r.Config != "" {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// The firmware reads only the first 98 characters of a line.
func TestNoLineOfTheBlockIsTooLongForTheFirmware(t *testing.T) {
	for line := range strings.Lines(applied(t, stock, cmdline, laser(), pi4).Config) {
		if len(line) > maxLine && line[0] != '#' {
			t.Errorf("%q has %d bytes", line, len(line))
		}
	}
}

func FuzzApply(f *testing.F) {
	f.Add(stock, cmdline, 0)
	f.Add("# portillon laser: begin\ngpio=17=ip\n# portillon laser: end\n[gpio4=1]\ngpio=17=op,dh", "", 6)
	f.Add("[none]\n# portillon saw: begin\ndtoverlay=disable-bt\n# portillon saw: end\r\n",
		"console=serial0 console=ttyS0\n", -1)
	f.Fuzz(func(t *testing.T, config, cmdline string, board int) {
		if len(config) > 2048 || len(cmdline) > 512 {
			return
		}
		b := Board{}
		if all := Boards(); board >= 0 {
			b = all[board%len(all)]
		}
		first, err := Apply(config, cmdline, laser(), b)
		if err != nil {
			return
		}
		if m := laser().missing(first.Config, b); len(m) > 0 {
			t.Fatalf("%q lacks %v", first.Config, m)
		}
		if strings.Count(first.Cmdline, "\n") != strings.Count(cmdline, "\n") {
			t.Fatalf("%q became %q", cmdline, first.Cmdline)
		}
		second, err := Apply(first.Config, first.Cmdline, laser(), b)
		if err != nil || second.Changed {
			t.Fatalf("a second time: %v\n%q\n%q", err, first.Config, second.Config)
		}
		outside := func(s string) string { a, _, z, _ := split(s, "laser"); return a + z }
		if got, was := outside(first.Config), outside(config); got != was && got != withNewline(was) {
			t.Fatalf("outside the block %q became %q", was, got)
		}
	})
}

func ExampleApply() {
	r, err := Apply("dtparam=audio=on\n", "console=serial0,115200 console=tty1\n", laser(), pi4)
	fmt.Println(r.Changed, err, r.Cmdline)
	// Output: true <nil> console=tty1
}

// A block ends with [all]. If the block moves to the end of the file, the filter before the block's old position must
// not apply to the lines after that position.
func TestLinesAfterAMovedBlockStayUnderTheirFilter(t *testing.T) {
	for name, newline := range map[string]string{"unix": "\n", "windows": "\r\n"} {
		old := laser()
		old.Lines = old.Lines[:1]
		first := applied(t, strings.ReplaceAll("[pi5]\nx=1\n", "\n", newline), "", old, pi4).Config
		config := first + strings.ReplaceAll("dtparam=foreign=1\ngpio=17=op,dh\n", "\n", newline)
		r := applied(t, config, "", laser(), pi4)
		if !certainlyHas(Settings(r.Config, pi4), "dtparam=foreign=1") {
			t.Errorf("%s: a foreign line no longer counts:\n%s", name, r.Config)
		}
		if again := applied(t, r.Config, "", laser(), pi4); again.Changed {
			t.Errorf("%s: a second time changes\n%s\nto\n%s", name, r.Config, again.Config)
		}
		if strings.Count(r.Config, "\n") != strings.Count(r.Config, newline) {
			t.Errorf("%s: mixed line ends in %q", name, r.Config)
		}
	}
	// Without a filter before the block, no mark remains at the block's old position.
	config := applied(t, "x=1\n", "", laser(), pi4).Config + "gpio=17=op,dh\n"
	if r := applied(t, config, "", laser(), pi4); !strings.HasPrefix(r.Config, "x=1\ngpio=17=op,dh\n# portillon") {
		t.Errorf("config.txt is\n%s", r.Config)
	}
}
