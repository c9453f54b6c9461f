// Package setup takes a Raspberry Pi from the installed package to a machine that has passed its acceptance test.
//
// It asks how the machine is wired, writes its machine.yaml and its boot fragment, makes its key, says what is
// still missing, has the Pi restarted where its config.txt has changed, starts the daemon, shows what the
// doctor finds, and leads through the acceptance test with a lamp in the machine's place.
//
// It may be interrupted and run again at any point. Package setup sees from the system what is already done: the
// existing files, the boot ID, the running daemon. It stores two things itself: a mark in /run until the Pi has
// restarted, and the results of an unfinished test.
package setup

import (
	"fmt"

	"portillon/policy"
)

// t is a text in both languages.
func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

// tf is t with a format for each language.
func tf(fr, en string, a ...any) policy.Text { return t(fmt.Sprintf(fr, a...), fmt.Sprintf(en, a...)) }
