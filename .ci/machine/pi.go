package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// These are GPIO registers of a BCM2837 (BCM2835 ARM Peripherals, chapter 6, at the addresses of the Pi 3).
const (
	gpfsel1 = 0x3f200004 // register with three bits for each line from line 10 on; the bits 001 mean output
	gplev0  = 0x3f200034 // register with one bit for each line: its level
)

// pi checks which state a killed portillond leaves on the pin, with QEMU's Raspberry Pi 3 and the Pi's own driver.
// The check runs twice: with lines that persist after their process, as on Raspberry Pi OS, and with lines that do
// not. The host reads the registers of the pin through QEMU's monitor.
func (t *test) pi(ctx context.Context) error {
	for _, persist := range []string{"1", "0"} {
		if err := t.piOnce(ctx, persist); err != nil {
			return err
		}
	}
	return nil
}

// piOnce runs the check of pi with one value of the setting persist.
func (t *test) piOnce(ctx context.Context, persist string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	monitor := t.path("monitor" + persist)
	look := func(what string) error {
		output, high, err := pin(monitor, 17)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("Pi, persist_gpio_outputs=%s, %s", persist, what)
		figure := fmt.Sprintf("output %t, high %t", output, high)
		on := what == "session" || what == "all killed" && persist == "1"
		if on != (output && high) {
			t.fail(name, fmt.Errorf("%s", figure))
		} else {
			t.pass(name, figure)
		}
		return nil
	}
	_, err := t.follow(ctx, watch{look: look}, "-M", "raspi3b", "-dtb", t.cache+"/rpi3.dtb", "-initrd",
		t.path("light.cpio"), "-monitor", "unix:"+monitor+",server,nowait",
		"-append", fmt.Sprintf("console=ttyAMA0,115200 quiet loglevel=0 panic=-1 maxcpus=1 rig=pi now=%d "+
			"pinctrl_bcm2835.persist_gpio_outputs=%s", time.Now().Unix(), persist))
	return err
}

// pin reads through QEMU's monitor whether a line (10 to 19) is an output, and which level the line has.
func pin(monitor string, line int) (output, high bool, err error) {
	c, err := net.Dial("unix", monitor)
	if err != nil {
		return false, false, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	register := func(at int) (uint64, error) {
		if _, err := prompt(r); err != nil {
			return 0, err
		}
		fmt.Fprintf(c, "xp /1wx %#x\n", at)
		text, err := prompt(r)
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(c) // send an empty line, so that the monitor prints another prompt
		m := regexp.MustCompile(`: 0x([0-9a-f]{8})`).FindStringSubmatch(text)
		if m == nil {
			return 0, fmt.Errorf("QEMU's monitor answered %q, want a register's value", text)
		}
		return strconv.ParseUint(m[1], 16, 32)
	}
	function, err := register(gpfsel1)
	if err != nil {
		return false, false, err
	}
	levels, err := register(gplev0)
	return function>>(3*(line-10))&7 == 1, levels>>line&1 == 1, err
}

// prompt reads the monitor's output until its prompt.
func prompt(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "(qemu) ") {
		c, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}
