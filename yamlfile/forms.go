package yamlfile

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// SlugForm and DurationForm are regular expressions of the texts that Slug and ParseDuration accept, for a JSON Schema.
// DurationForm also matches an empty text, which ParseDuration refuses. Because numbers have at most five digits, a
// duration cannot overflow: the longest is 273 years.
const (
	SlugForm     = `^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`
	DurationForm = `^([0-9]{1,5}d)?([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$`
)

var (
	slug         = regexp.MustCompile(SlugForm)
	durationForm = regexp.MustCompile(DurationForm)
)

// Slug returns the node's value as an id: at most 64 lower-case letters, digits and hyphens, without a hyphen at either
// end.
func (x Node) Slug() string {
	s, ok := x.word()
	if ok && !slug.MatchString(s) {
		x.Fault("lower-case letters, digits and hyphens, at most 64", "%.80q is not an id", s)
		return ""
	}
	return s
}

// Duration returns the node's value as a duration such as 45s, 10m, 2h, 180d or 1d12h. The result is never negative.
func (x Node) Duration() time.Duration {
	s, ok := x.word()
	if !ok {
		return 0
	}
	d, err := ParseDuration(s)
	if err != nil {
		x.Fault("whole numbers of up to five digits and d, h, m or s, in this order: 45s, 10m, 1h30m, 180d",
			"%.80q is not a length of time", s)
	}
	return d
}

// ParseDuration parses a duration of whole days (of 24 h), hours, minutes and seconds, in this order. Each of the four
// parts is optional.
func ParseDuration(s string) (time.Duration, error) {
	parts := durationForm.FindStringSubmatch(s)
	if s == "" || parts == nil {
		return 0, fmt.Errorf("%.80q is not a length of time", s)
	}
	var out time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if p := parts[i+1]; p != "" {
			n, err := strconv.Atoi(p[:len(p)-1])
			if err != nil {
				return 0, err
			}
			out += time.Duration(n) * unit
		}
	}
	return out, nil
}
