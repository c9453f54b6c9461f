package gpio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// The test compares the structs with their sizes and numbers in C (include/uapi/linux/gpio.h), which are equal on 32
// and 64 bits.
func TestStructsHaveTheSizesOfTheKernelsStructs(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"gpiochip_info", unsafe.Sizeof(chipInfo{}), 68},
		{"gpio_v2_line_request", unsafe.Sizeof(lineRequest{}), 592},
		{"gpio_v2_line_config", unsafe.Sizeof(lineConfig{}), 272},
		{"gpio_v2_line_values", unsafe.Sizeof(lineValues{}), 16},
		{"gpio_v2_line_info", unsafe.Sizeof(lineInfo{}), 256},
		{"gpio_v2_line_event", unsafe.Sizeof(lineEvent{}), 48},
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

// board is a simulated kernel with two GPIO chips, one of them a Pi's, and with faults that a test can set.
type board struct {
	requests []lineRequest
	values   []lineValues
	level    uint64
	busy     bool
	fail     error
	closed   map[int]bool
	denied   bool
	noFile   bool   // the kernel answers a request but returns no file descriptor
	raw      []byte // result of a read, cut to the requested size
	polls    []time.Duration
	idle     bool
}

func (b *board) kernel() kernel {
	b.closed = map[int]bool{}
	return kernel{
		chips: func() ([]string, error) { return []string{"/dev/gpiochip0", "/dev/gpiochip4"}, nil },
		open: func(path string) (int, error) {
			if b.denied {
				return -1, unix.EACCES
			}
			return 100 + int(path[len(path)-1]-'0'), nil
		},
		close: func(fd int) error { b.closed[fd] = true; return nil },
		poll: func(_ int, d time.Duration) (bool, error) {
			b.polls = append(b.polls, d)
			return !b.idle, b.fail
		},
		read: func(_ int, p []byte) (int, error) { return copy(p, b.raw), b.fail },
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
				if r.fd = 7; b.noFile {
					r.fd = 0
				}
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

func TestOutputIsRequestedWithItsInactiveValue(t *testing.T) {
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
		if r.offsets[0] != 17 || r.config.flags&flagOutput == 0 || r.config.flags&flagActiveLow != 0 != low ||
			r.config.attrs != 1 ||
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

// While no program drives the line, the chip's pull resistor must give the line its inactive level.
func TestOutputIsPulledToItsInactiveLevel(t *testing.T) {
	for low, pull := range map[bool]uint64{false: flagPullDown, true: flagPullUp} {
		b := &board{}
		if _, err := b.kernel().openOut("pinctrl-", 17, low); err != nil {
			t.Fatal(err)
		}
		if got := b.requests[0].config.flags & (flagPullUp | flagPullDown); got != pull {
			t.Errorf("active low %v: the bias is %#x, want %#x", low, got, pull)
		}
	}
}

func TestErrorsNameTheLineAndTheCause(t *testing.T) {
	for _, c := range []struct {
		name, label string
		line        int
		busy        bool
		want        string
	}{
		{"held", "pinctrl-", 17, true, `used by "someone-else"`},
		{"no such chip", "pinctrl-rp1", 17, false, `"pinctrl-bcm2711" with 58 lines`},
		{"the board's own", "pinctrl-", 48, false, "not on the Pi's header"},
		{"the Pi's pulled-up lines", "pinctrl-", 8, false, "pulled up"},
	} {
		b := &board{busy: c.busy}
		if _, err := b.kernel().openOut(c.label, c.line, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for want, b := range map[string]*board{"permission denied": {denied: true}, "no file descriptor": {noFile: true}} {
		if _, err := b.kernel().openOut("pinctrl-", 17, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	none := (&board{}).kernel()
	none.chips = func() ([]string, error) { return nil, nil }
	if _, err := none.openOut("pinctrl-", 17, false); err == nil ||
		!strings.Contains(err.Error(), "no GPIO chip on this computer") {
		t.Error(err)
	}
	b := &board{}
	out, _ := b.kernel().openOut("pinctrl-", 17, false)
	b.fail = unix.ENODEV
	if err := out.Out(gpio.Low); err == nil || !strings.Contains(err.Error(), "line 17 of /dev/gpiochip4") ||
		!errors.Is(err, unix.ENODEV) {
		t.Error(err)
	}
}

func TestRelayIsNeverReadBackThroughItsOwnPin(t *testing.T) {
	b := &board{}
	k := b.kernel()
	var asked []uintptr
	real := k.ioctl
	k.ioctl = func(fd int, req uintptr, arg unsafe.Pointer) error {
		asked = append(asked, req)
		return real(fd, req, arg)
	}
	out, err := k.openOut("pinctrl-", 17, false)
	if err != nil {
		t.Fatal(err)
	}
	asked = nil
	_ = fmt.Sprint(out, out.Name(), out.Number(), out.Function())
	out.Out(gpio.High)
	out.Out(gpio.Low)
	if want := []uintptr{setValues, setValues}; !slices.Equal(asked, want) {
		t.Errorf("asked the kernel for %#x", asked)
	}
	if _, ok := any(out).(gpio.PinIn); ok {
		t.Error("the relay's pin can be read")
	}
}

func TestUnreadableInputHasTheLevelOfABrokenWire(t *testing.T) {
	for pull, flag := range map[gpio.Pull]uint64{gpio.PullUp: flagPullUp, gpio.PullDown: flagPullDown} {
		b := &board{level: 1}
		in, err := b.kernel().openIn("pinctrl-", 5, pull)
		if err != nil {
			t.Fatal(err)
		}
		if r := b.requests[0]; r.config.flags != flagInput|flag|flagRising|flagFalling || r.buffer != edgeBuffer ||
			r.config.attrs != 0 {
			t.Errorf("%v: flags %#x, room for %d edges", pull, r.config.flags, r.buffer)
		}
		if in.Read() != gpio.High {
			t.Errorf("%v: high reads low", pull)
		}
		b.level = 0
		if in.Read() != gpio.Low {
			t.Errorf("%v: low reads high", pull)
		}
		b.level, b.fail = 1-uint64(flag/flagPullDown), unix.ENODEV
		if in.Read() != gpio.Level(pull == gpio.PullUp) {
			t.Errorf("%v: it cannot be read, and reads %v", pull, in.Read())
		}
		if in.WaitForEdge(time.Second) {
			t.Error("an edge of a chip that is gone")
		}
	}
	if _, err := (&board{}).kernel().openIn("pinctrl-", 5, gpio.Float); err == nil {
		t.Error("an input without a pull")
	}
}

// events encodes events of one line as the kernel does.
func events(es ...lineEvent) []byte {
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&es[0])), len(es)*int(unsafe.Sizeof(es[0]))))
}

func TestEdgesHaveTheirTimeAndTheCountOfLostEdges(t *testing.T) {
	b := &board{
		raw: events(lineEvent{timestamp: 5e9, id: eventRising, lineSeqno: 1}, lineEvent{timestamp: 6e9, id: 2, lineSeqno: 5}),
	}
	in, err := b.kernel().openIn("pinctrl-", 5, gpio.PullUp)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Edge{{5 * time.Second, true, 0}, {6 * time.Second, false, 3}} {
		if e, ok, err := in.Next(-1); e != want || !ok || err != nil {
			t.Errorf("%+v, %v, %v; want %+v", e, ok, err, want)
		}
	}
	if len(b.polls) != 1 || b.polls[0] != -1 {
		t.Errorf("waited %v", b.polls)
	}
	if !in.WaitForEdge(time.Second) || len(in.queue) != 0 {
		t.Error("edges that were waited for come again")
	}
	b.idle = true
	if in.WaitForEdge(time.Second) {
		t.Error("an edge that was none")
	}
}

func TestMalformedEventsAreErrors(t *testing.T) {
	b := &board{}
	in, err := b.kernel().openIn("pinctrl-", 5, gpio.PullUp)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 47, 49, 95} {
		b.raw = make([]byte, n)
		if _, ok, err := in.Next(0); ok || err == nil {
			t.Errorf("%d bytes are an edge", n)
		}
	}
}

// The timeout of poll(2) is in milliseconds, and -1 means no limit. periph's own pins treat -1 as a timeout of zero.
func TestTimeoutsAreRoundedUpToMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]int{
		-1: -1, -time.Hour: -1, 0: 0, 1: 1, time.Microsecond: 1, time.Millisecond: 1, 1001 * time.Microsecond: 2,
		time.Second: 1000,
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
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
