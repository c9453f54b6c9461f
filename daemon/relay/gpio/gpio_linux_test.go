package gpio

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// The sizes and numbers of include/uapi/linux/gpio.h as gcc gives them, on 32 and 64 bits alike.
func TestStructsAreTheKernels(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"gpiochip_info", unsafe.Sizeof(chipInfo{}), 68},
		{"gpio_v2_line_request", unsafe.Sizeof(lineRequest{}), 592},
		{"gpio_v2_line_config", unsafe.Sizeof(lineConfig{}), 272},
		{"gpio_v2_line_values", unsafe.Sizeof(lineValues{}), 16},
		{"gpio_v2_line_info", unsafe.Sizeof(lineInfo{}), 256},
		{"GPIO_GET_CHIPINFO_IOCTL", getChipInfo, 0x8044b401},
		{"GPIO_V2_GET_LINEINFO_IOCTL", getLineInfo, 0xc100b405},
		{"GPIO_V2_GET_LINE_IOCTL", getLine, 0xc250b407},
		{"GPIO_V2_LINE_GET_VALUES_IOCTL", getValues, 0xc010b40e},
		{"GPIO_V2_LINE_SET_VALUES_IOCTL", setValues, 0xc010b40f},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, c.got, c.want)
		}
	}
}

// board is a kernel that is not there: two chips, one of them a Pi's, and whatever goes wrong.
type board struct {
	requests []lineRequest
	values   []lineValues
	level    uint64
	busy     bool
	fail     error
	closed   map[int]bool
}

func (b *board) kernel() kernel {
	b.closed = map[int]bool{}
	return kernel{
		chips: func() ([]string, error) { return []string{"/dev/gpiochip0", "/dev/gpiochip4"}, nil },
		open:  func(path string) (int, error) { return 100 + int(path[len(path)-1]-'0'), nil },
		close: func(fd int) error { b.closed[fd] = true; return nil },
		poll:  func(int, time.Duration) (bool, error) { return true, nil },
		read:  func(_ int, p []byte) (int, error) { return len(p), nil },
		ioctl: func(fd int, req uintptr, arg unsafe.Pointer) error {
			switch req {
			case getChipInfo:
				info := (*chipInfo)(arg)
				copy(info.label[:], "pl061")
				info.lines = 8
				if fd == 104 {
					copy(info.label[:], "pinctrl-bcm2711\x00")
					info.lines = 58
				}
			case getLine:
				r := (*lineRequest)(arg)
				if b.busy {
					return unix.EBUSY
				}
				r.fd = 7
				b.requests = append(b.requests, *r)
			case getLineInfo:
				copy((*lineInfo)(arg).consumer[:], "someone-else")
			case setValues:
				if b.fail != nil {
					return b.fail
				}
				b.values = append(b.values, *(*lineValues)(arg))
			case getValues:
				if b.fail != nil {
					return b.fail
				}
				(*lineValues)(arg).bits = b.level
			}
			return nil
		},
	}
}

func TestOutputIsInactiveInTheRequestItself(t *testing.T) {
	for _, low := range []bool{false, true} {
		b := &board{}
		out, err := b.kernel().openOut("pinctrl-", 17, low)
		if err != nil {
			t.Fatal(err)
		}
		r := b.requests[0]
		if len(b.requests) != 1 || len(b.values) != 0 {
			t.Fatalf("%d requests and %d values before the first order", len(b.requests), len(b.values))
		}
		if r.offsets[0] != 17 || r.config.flags&flagOutput == 0 || r.config.flags&flagActiveLow != 0 != low || r.config.attrs != 1 ||
			r.config.attr[0] != (configAttribute{attribute{id: attrOutputValues}, 1}) {
			t.Errorf("the request: %+v", r.config)
		}
		if out.Out(gpio.High) != nil || b.values[0] != (lineValues{1, 1}) {
			t.Errorf("on: %+v", b.values)
		}
		if !b.closed[104] {
			t.Error("the chip stays open")
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, label string
		line        int
		busy        bool
		want        string
	}{
		{"held", "pinctrl-", 17, true, `held by "someone-else"`},
		{"no such chip", "pinctrl-rp1", 17, false, `"pinctrl-bcm2711" with 58 lines`},
		{"no such line", "pinctrl-", 58, false, "no GPIO chip"},
	} {
		b := &board{busy: c.busy}
		if _, err := b.kernel().openOut(c.label, c.line, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	b := &board{}
	out, _ := b.kernel().openOut("pinctrl-", 17, false)
	b.fail = unix.ENODEV
	if err := out.Out(gpio.Low); err == nil || !strings.Contains(err.Error(), "line 17") {
		t.Error(err)
	}
}

func TestInputThatCannotBeReadIsHigh(t *testing.T) {
	b := &board{level: 0}
	in, err := b.kernel().openIn("pinctrl-", 22, gpio.PullUp)
	if err != nil || in.Read() != gpio.Low {
		t.Fatal(err)
	}
	if f := b.requests[0].config.flags; f != flagInput|flagPullUp|flagRising|flagFalling {
		t.Errorf("flags %#x", f)
	}
	b.fail = unix.EIO
	if in.Read() != gpio.High {
		t.Error("an e-stop that cannot be read counts as closed")
	}
}

func TestLinesThatAreHighAtPowerOnAreRefusedForARelay(t *testing.T) {
	for line := range 28 {
		refused := CheckRelay(line) != nil
		if want := line <= 8 || line == 14; refused != want {
			t.Errorf("GPIO %d: refused %v", line, refused)
		}
	}
}
