package bootconfig

import (
	"slices"
	"strings"
	"testing"
)

// The cases are the table of conditional.adoc and its rules for combinations: filters of one type replace each other,
// filters of different types combine, [all] resets all filters.
func TestConditionalFiltersMatchLikeTheFirmware(t *testing.T) {
	for _, x := range []struct {
		config, yes, maybe string // models on which the line x=1 certainly applies, and models on which x=1 may apply
	}{
		{"x=1",
			"Zero W, Zero 2 W, 3 Model B, 3 Model B Plus, 4 Model B, 400, Compute Module 4, 5 Model B, 500, Compute Module 5",
			""},
		{"[pi0]\nx=1", "Zero W, Zero 2 W", ""},
		{"[pi0w]\nx=1", "Zero W, Zero 2 W", ""},
		{"[pi02]\nx=1", "Zero 2 W", ""},
		{"[pi3]\nx=1", "3 Model B, 3 Model B Plus", ""},
		{"[pi3+]\nx=1", "3 Model B Plus", ""},
		{"[pi4]\nx=1", "4 Model B, 400, Compute Module 4", ""},
		{"[pi400]\nx=1", "400", ""},
		{"[cm4]\nx=1", "Compute Module 4", ""},
		{"[cm4s]\nx=1", "", ""},
		{"[pi5]\nx=1", "5 Model B, 500, Compute Module 5", ""},
		{"[pi500]\nx=1", "500", ""},
		{"[cm5]\nx=1", "Compute Module 5", ""},
		{"[none]\nx=1", "", ""},
		{"[none]\n[all]\n[pi02]\nx=1", "Zero 2 W", ""},
		{"[none]\n[pi02]\nx=1", "", "Zero 2 W"},
		{"[pi4]\n[pi02]\nx=1", "Zero 2 W", ""},
		{"[EDID=VSC-TD2220]\nx=1", "", "all"},
		{"[gpio4=1]\nx=1", "", "all"},
		{"[HDMI:1]\nx=1", "", "all"},
		{"[tryboot]\nx=1", "", "all"},
		{"[0x12345678]\nx=1", "", "all"},
		{"[EDID=VSC-TD2220]\n[pi02]\nx=1", "", "Zero 2 W"},
		{"[pi02]\n[gpio4=1]\nx=1", "", "Zero 2 W"},
		{"[gpio4=1]\n[all]\nx=1",
			"Zero W, Zero 2 W, 3 Model B, 3 Model B Plus, 4 Model B, 400, Compute Module 4, 5 Model B, 500, Compute Module 5",
			""},
		{"[board-type=0x12]\nx=1", "Zero 2 W", ""},
		{"[board-type=0x14]\nx=1", "Compute Module 4", ""},
		// If the revision is unknown, the board may be the Compute Module or its Lite model.
		{"[board-type=0x18]\nx=1", "", "Compute Module 5"},
		{"[pi4]\n[board-type=0x14]\nx=1", "Compute Module 4", ""},
		{"[pi5]\n[board-type=0x14]\nx=1", "",
			"Compute Module 4"}, // the documentation does not say whether the two filters combine or replace each other
		{"[board-type=0x14]\n[pi4]\nx=1", "Compute Module 4", "4 Model B, 400"},
		{"[PI4]\nx=1", "", "4 Model B, 400, Compute Module 4"},
		{"[ pi02 ]\nx=1", "Zero 2 W", ""},
		{"[pi9]\nx=1", "", "all"},
		{"[pi02]\r\nx=1\r\n", "Zero 2 W", ""},
	} {
		all := []string{"Zero W", "Zero 2 W", "3 Model B", "3 Model B Plus", "4 Model B", "400", "Compute Module 4",
			"5 Model B", "500", "Compute Module 5"}
		var sure, perhaps []string
		for _, m := range all {
			switch s := Settings(x.config, BoardOf("Raspberry Pi "+m, nil)); {
			case len(s) == 1 && s[0].Maybe:
				perhaps = append(perhaps, m)
			case len(s) == 1:
				sure = append(sure, m)
			}
		}
		if x.maybe == "all" {
			x.maybe = strings.Join(all, ", ")
		}
		if got := strings.Join(sure, ", "); got != x.yes {
			t.Errorf("%q stands on %q, want %q", x.config, got, x.yes)
		}
		if got := strings.Join(perhaps, ", "); got != x.maybe {
			t.Errorf("%q may stand on %q, want %q", x.config, got, x.maybe)
		}
	}
}

// A line that certainly applies overrides an earlier line that only may apply.
func TestUnfilteredSettingOverridesAnEarlierFilteredSetting(t *testing.T) {
	s := Settings("[gpio4=1]\nx=0\n[all]\nx=1\n", BoardOf("Raspberry Pi 4 Model B", nil))
	if len(s) != 1 || s[0].Text != "x=1" || s[0].Maybe {
		t.Errorf("%+v", s)
	}
}

// If it is unknown whether a line applies, its setting is not certain, and the setting that the line may override is no
// longer certain.
func TestSettingIsUncertainIfALaterFilteredLineMayOverrideTheSetting(t *testing.T) {
	pi4 := BoardOf("Raspberry Pi 4 Model B", nil)
	for config, want := range map[string]bool{
		"dtparam=spi=on":                                      true,
		"[gpio4=1]\ndtparam=spi=on":                           false,
		"dtparam=spi=on\n[gpio4=1]\ndtparam=spi=off":          false,
		"[gpio4=1]\ndtparam=spi=off\n[all]\ndtparam=spi=on":   true,
		"dtparam=spi=on\n[gpio4=1]\ndtparam=spi=on":           true,
		"dtparam=spi=on\n[pi5]\ndtparam=spi=off":              true,
		"dtparam=spi=on\n[pi4]\ndtparam=spi=off":              false,
		"#dtparam=spi=on":                                     false,
		"dtparam=spi":                                         true,
		"dtparam=i2c_arm=on,spi=true":                         true,
		"dtparam=spi=on" + strings.Repeat(" ", 90) + "x":      true, // the firmware reads only 98 characters of a line
		strings.Repeat(" ", 98) + "dtparam=spi=on":            false,
		"dtparam=spi=on\ndtparam=audio=on,spi=off":            false,
		"dtparam=spi=on\nspi=off\n[all]\n[pi0]\ngpio=8=op,dh": true,
	} {
		if got := certainlyHas(Settings(config, pi4), "dtparam=spi=on"); got != want {
			t.Errorf("%q: %v, want %v", config, got, want)
		}
	}
}

func TestAliasesOfAParameterAreRecognised(t *testing.T) {
	pi4 := BoardOf("Raspberry Pi 4 Model B", nil)
	for config, want := range map[string]string{
		"dtparam=i2c=on":          "dtparam=i2c_arm=on",
		"dtparam=i2c1":            "dtparam=i2c_arm=on",
		"dtparam=i2c_arm=off":     "dtparam=i2c_arm=off",
		"dtparam=watchdog=1":      "dtparam=watchdog=on",
		"dtparam=uart0":           "dtparam=uart0=on",
		"dtparam=strict_gpiod=on": "dtparam=strict_gpiod",
		"gpio=17=op,dl":           "gpio=17=op,dl,pd",
		"gpio=4=ip":               "gpio=4=ip,pu",
		"gpio=17=ip,np":           "gpio=17=ip,pn",
		"gpio=99=op":              "gpio=99=op,pd",
	} {
		if s := Settings(config, pi4); len(s) != 1 || s[0].Text != want {
			t.Errorf("%q is %+v, want %q", config, s, want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	for _, s := range []string{"[pi4]\ngpio=0-27=op,dh\n", "[none]\n[board-type=0x]\nx", "dtparam=,,\ngpio=1-=\n[",
		"gpio=-1-2=op", "[=]\n[:]\n=\n"} {
		f.Add(s)
	}
	boards := append(Boards(), Board{})
	f.Fuzz(func(t *testing.T, config string) {
		if len(config) > 4096 {
			return
		}
		for _, b := range boards {
			certain := map[string]bool{}
			for _, s := range Settings(config, b) {
				if s.Line < 1 || s.Text == "" {
					t.Fatalf("%q: %+v", config, s)
				}
				if certain[s.key] && !s.Maybe {
					t.Fatalf("%q: %q is set twice", config, s.key)
				}
				certain[s.key] = certain[s.key] || !s.Maybe
			}
		}
	})
}

// The longest file within the limits is evaluated in seconds, because portillond -check reads it before each start. An
// earlier version compared each pair of settings and needed minutes for a file three times as long.
func TestEveryLineOfALongConfigTxtIsEvaluated(t *testing.T) {
	config := "[EDID=x]\n" + strings.Repeat("gpio=0-57=op,dh\ngpio=0-57=op,dl\n", maxConfig/3/32)
	have := Settings(config, pi4)
	if len(have) < 58*1300 || !have[0].Maybe ||
		!slices.IsSortedFunc(have, func(a, b Setting) int { return a.Line - b.Line }) {
		t.Errorf("%d settings", len(have))
	}
}
