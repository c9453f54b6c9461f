// Package setup turns a Raspberry Pi with the installed package into a machine that has passed its acceptance test.
//
// Setup asks how the machine is wired, writes the machine.yaml and the boot fragment, creates the machine's key, and
// lists the missing files and settings. If config.txt has changed, setup asks the person to restart the Pi. Then setup
// starts the daemon, shows the doctor's findings, and guides the person through the acceptance test, for which a lamp
// is connected in place of the machine.
//
// Setup may be interrupted and run again at any point. Setup finds out from the existing files, the boot ID and the
// running daemon which steps are already done. Setup itself stores only a mark in /run until the Pi has restarted, and
// the results of an unfinished test.
package setup

import (
	"fmt"

	"portillon/policy"
)

// t returns a text in French and English.
func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

// tf formats a text in French and English, with one format for each language.
func tf(fr, en string, a ...any) policy.Text { return t(fmt.Sprintf(fr, a...), fmt.Sprintf(en, a...)) }
