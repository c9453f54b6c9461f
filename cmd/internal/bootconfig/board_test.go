package bootconfig

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// The model strings are copied from the firmware. The compatible strings are copied from the device trees of
// raspberrypi/linux.
func TestBoardIsIdentifiedByItsDeviceTree(t *testing.T) {
	for _, x := range []struct {
		model, compatible string
		filters           string
		family            Family
	}{
		{"Raspberry Pi Zero Rev 1.3", "raspberrypi,model-zero brcm,bcm2835", "pi0", BCM2835},
		{"Raspberry Pi Zero W Rev 1.1", "raspberrypi,model-zero-w brcm,bcm2835", "pi0w pi0", BCM2835},
		{"Raspberry Pi Zero 2 W Rev 1.0", "raspberrypi,model-zero-2-w brcm,bcm2837", "pi02 pi0w pi0", BCM2837},
		{"Raspberry Pi 3 Model B Rev 1.2", "raspberrypi,3-model-b brcm,bcm2837", "pi3", BCM2837},
		{"Raspberry Pi 3 Model B Plus Rev 1.3", "raspberrypi,3-model-b-plus brcm,bcm2837", "pi3+ pi3", BCM2837},
		{"Raspberry Pi 3 Model A Plus Rev 1.0", "raspberrypi,3-model-a-plus brcm,bcm2837", "pi3+ pi3", BCM2837},
		{"Raspberry Pi 4 Model B Rev 1.5", "raspberrypi,4-model-b brcm,bcm2711", "pi4", BCM2711},
		{"Raspberry Pi 400 Rev 1.0", "raspberrypi,400 brcm,bcm2711", "pi400 pi4", BCM2711},
		{"Raspberry Pi Compute Module 4 Rev 1.0", "raspberrypi,4-compute-module brcm,bcm2711", "cm4 pi4", BCM2711},
		{"Raspberry Pi Compute Module 4S Rev 1.0", "raspberrypi,4-compute-module-s brcm,bcm2711", "cm4s pi4", BCM2711},
		{"Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b brcm,bcm2712", "pi5", RP1},
		{"Raspberry Pi 500 Rev 1.0", "raspberrypi,500 brcm,bcm2712", "pi500 pi5", RP1},
		{"Raspberry Pi Compute Module 5 Rev 1.0", "raspberrypi,5-compute-module brcm,bcm2712", "cm5 pi5", RP1},
		{"Raspberry Pi Compute Module 5 Lite Rev 1.0", "raspberrypi,5-compute-module brcm,bcm2712", "cm5 pi5", RP1},
		{"Raspberry Pi 6 Model B Rev 1.0", "raspberrypi,6-model-b", "", UnknownFamily},
		{"linux,dummy-virt", "linux,dummy-virt", "", UnknownFamily},
		{"", "", "", UnknownFamily},
	} {
		for how, b := range map[string]Board{
			"both":       BoardOf(x.model, strings.Fields(x.compatible)),
			"model":      BoardOf(x.model, nil),
			"compatible": BoardOf("", strings.Fields(x.compatible)),
			"tree": ReadBoard(fstest.MapFS{"proc/device-tree/model": {Data: []byte(x.model + "\x00")},
				"proc/device-tree/compatible": {Data: []byte(strings.ReplaceAll(x.compatible, " ", "\x00") + "\x00")}}),
		} {
			if got := strings.Join(b.Filters, " "); got != x.filters || b.Family != x.family {
				t.Errorf("%s by %s: filters %q, family %d; want %q, %d", x.model, how, got, b.Family, x.filters, x.family)
			}
			if how != "compatible" && b.Model != x.model {
				t.Errorf("%s by %s is called %q", x.model, how, b.Model)
			}
		}
	}
}

// If /proc shows only processes (ProcSubset=pid), the device tree is read from /sys.
func TestBoardIsReadFromSysIfProcHasNoDeviceTree(t *testing.T) {
	b := ReadBoard(
		fstest.MapFS{"sys/firmware/devicetree/base/model": {Data: []byte("Raspberry Pi 4 Model B Rev 1.5\x00")}},
	)
	if !slices.Equal(b.Filters, []string{"pi4"}) {
		t.Errorf("%+v", b)
	}
}

func TestRevisionAndSerialNumberFiltersMatchTheBoard(t *testing.T) {
	b := ReadBoard(fstest.MapFS{
		"proc/device-tree/model":                 {Data: []byte("Raspberry Pi Compute Module 5 Rev 1.0\x00")},
		"proc/device-tree/system/linux,revision": {Data: []byte{0x00, 0xb0, 0x41, 0x80}}, // b04180: type 18
		"proc/device-tree/serial-number":         {Data: []byte("1000000012345678\x00")},
	})
	for text, want := range map[string]truth{"[board-type=0x18]": yes, "[board-type=0x1a]": no, "[0x12345678]": yes,
		"[0x87654321]": no} {
		got := no
		if l := rawLines(text+"\nx=1\n", b); len(l) == 1 {
			got = l[0].when
		}
		if got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}
