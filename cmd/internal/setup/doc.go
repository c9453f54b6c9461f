// Package setup turns a Raspberry Pi with the installed package into a machine that has passed its acceptance test.
//
// Setup asks how the machine is wired, writes its machine.yaml and its boot fragment, creates its key, and lists what
// is still missing. If config.txt has changed, it requests a restart of the Pi. Then it starts the daemon, shows the
// doctor's findings, and guides the person through the acceptance test, for which a lamp is connected in place of the
// machine.
//
// It may be interrupted and run again at any point. Package setup derives from the system which steps are done: the
// existing files, the boot ID, the running daemon. It stores two things itself: a mark in /run until the Pi has
// restarted, and the results of an unfinished test.
package setup

import (
	"fmt"

	"portillon/policy"
)

// t returns a text in both languages.
func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

// tf returns a text with a format for each language.
func tf(fr, en string, a ...any) policy.Text { return t(fmt.Sprintf(fr, a...), fmt.Sprintf(en, a...)) }
