// Package tiny is mutated by the tests of internal/mutate.
package tiny

import (
	"log/slog"
	"strings"
	"time"
)

// Open is caught whichever way it is changed.
func Open(hour int, blocked bool) bool {
	return hour >= 9 && hour < 17 && !blocked
}

// Unread is tested by nothing: its mutants survive.
func Unread(n int) int {
	if n > 3 {
		n = 3
	}
	return n
}

// Countdown does not end when n no longer falls.
func Countdown(n int) (steps int) {
	for n > 0 {
		n--
		steps++
	}
	return steps
}

// Kind needs each of its cases.
func Kind(s string) int {
	switch s {
	case "tap":
		return 1
	case "key":
		return 2
	}
	return 0
}

// Bounded has constants that must stay constants, and a duration.
func Bounded(d time.Duration) ([2]int, bool) {
	const most = 10 * time.Second
	both := [2]int{1: 7}
	return both, d < most+5*time.Second
}

// Logged logs, which is not mutated.
func Logged(n int) bool {
	slog.Info("logged", "more", n > 5)
	return false
}

// Cut needs its last statement.
func Cut(s string) string {
	if before, _, ok := strings.Cut(s, ":"); ok {
		return before
	} else {
		fallback := "none"
		fallback = s + fallback
		return fallback
	}
}
