package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// These are the lines of the simulated chip, and the folders of the test.
const (
	relayLine  = 17 // output line of the relay
	estopLine  = 22 // input line of the emergency stop
	mirrorLine = 23 // input line of the contactor's mirror contact
	simulated  = "/sys/kernel/config/gpio-sim/pi"
	dataFolder = "/var/lib/portillon"
	tracing    = "/sys/kernel/tracing"
)

// mounts mounts the file systems that systemd mounts on a normal system.
func mounts() error {
	for _, m := range [][3]string{{"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}, {"devtmpfs", "/dev", "devtmpfs"},
		{"tmpfs", "/tmp", "tmpfs"}, {"tmpfs", "/run", "tmpfs"}} {
		if err := mount(m[0], m[1], m[2]); err != nil {
			return err
		}
	}
	return nil
}

// mount creates a folder and mounts a file system of the given type in it, unless a file system is already mounted in
// it.
func mount(what, where, kind string) error {
	if err := os.MkdirAll(where, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(what, where, kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s: %w", where, err)
	}
	return nil
}

// setUpHardware loads the kernel modules, starts the trace of line 17, creates the chip, and mounts the data disk.
func setUpHardware() error {
	modules, err := filepath.Glob("/rig/modules/*.ko")
	if err != nil || len(modules) == 0 {
		return fmt.Errorf("folder /rig/modules has no kernel modules: %w", err)
	}
	slices.Sort(modules) // the numbers in the files' names give the order in which the modules are loaded
	for _, path := range modules {
		if err := load(path); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	if err := errors.Join(mount("configfs", "/sys/kernel/config", "configfs"),
		mount("tracefs", tracing, "tracefs")); err != nil {
		return err
	}
	// The trace of the levels starts before the chip exists, so that no level is missed. If no process holds the line
	// any longer, the line falls without a tracepoint, so a probe on the driver's function is added.
	if err := errors.Join(write(tracing+"/kprobe_events", "p:rig/released gpio_sim:gpio_sim_free line=%x1:u32"),
		write(tracing+"/events/rig/released/enable", "1"),
		write(tracing+"/events/gpio/gpio_value/filter", "get == 0")); err != nil {
		return err
	}
	if err := makeChip(); err != nil {
		return err
	}
	return mountData()
}

// load loads a kernel module, unless the module is already loaded.
func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// makeChip creates a simulated GPIO chip that has the label and the line names of a Raspberry Pi's chip.
func makeChip() error {
	for line := 2; line <= 27; line++ {
		dir := fmt.Sprintf("%s/bank0/line%d", simulated, line)
		if line == 2 {
			if err := errors.Join(os.Mkdir(simulated, 0o755), os.Mkdir(simulated+"/bank0", 0o755),
				write(simulated+"/bank0/num_lines", "54"),
				write(simulated+"/bank0/label", "pinctrl-bcm2835")); err != nil {
				return err
			}
		}
		if err := errors.Join(os.Mkdir(dir, 0o755), write(dir+"/name", fmt.Sprintf("GPIO%d", line))); err != nil {
			return err
		}
	}
	return write(simulated+"/live", "1")
}

// mountData waits until the kernel has detected the data disk, and mounts the disk.
func mountData() error {
	for range 100 {
		if _, err := os.Stat("/dev/vda"); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return mount("/dev/vda", dataFolder, "ext4")
}

// chip returns the folder of the simulated chip in sysfs.
func chip() (string, error) {
	found, err := filepath.Glob("/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio17")
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("found simulated chips %q, want one: %w", found, err)
	}
	return filepath.Dir(found[0]), nil
}

// write writes a text to an existing file of sysfs, configfs or tracefs.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// read returns the text of a file without spaces at its ends, or "" if the file cannot be read.
func read(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// uptime returns the time since boot by CLOCK_MONOTONIC, which is also the clock of the kernel's trace.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
