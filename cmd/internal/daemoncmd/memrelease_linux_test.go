package daemoncmd

import "testing"

func TestLinesOfProcMapsAreParsed(t *testing.T) {
	from, to, perms, ok := mapping("00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon")
	if !ok || from != 0x400000 || to != 0x452000 || perms != "r-xp" {
		t.Errorf("%x %x %q %v", from, to, perms, ok)
	}
	for _, line := range []string{"", "00400000 r-xp", "00452000-00400000 r-xp", "x-y r-xp", "00400000-zz r-xp"} {
		if _, _, _, ok := mapping(line); ok {
			t.Errorf("%q is read as a mapping", line)
		}
	}
}
