package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"portillon/hub/apiclient"
)

// reporting contains the flags of the report verbs.
type reporting struct {
	remote
	from, to, machine string // from: first day of the report; to: last day
	csv               bool   // true: print the hub's CSV
}

// parse parses the flags into a query.
func (x *reporting) parse(w stdio, verb string, args []string) (url.Values, error) {
	_, err := parseFlags(w, verb, args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&x.from, "from", "", "the first day, as 2026-09-01")
		fs.StringVar(&x.to, "to", "", "the last day")
		fs.StringVar(&x.machine, "machine", "", "this machine alone")
		fs.BoolVar(&x.csv, "csv", false, "print CSV")
	})
	if err == nil {
		err = missing("portillon "+verb+" --from 2026-09-01 --to 2026-09-30 --hub …", need{"--from", x.from != ""},
			need{"--to", x.to != ""})
	}
	query := url.Values{"from": {x.from}, "to": {x.to}}
	if x.machine != "" {
		query.Set("machine", x.machine)
	}
	return query, err
}

// print prints a report as a table, or as CSV.
func (x *reporting) print(ctx context.Context, w stdio, path string, query url.Values, rows func() error) error {
	if !x.csv {
		return rows()
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, apiclient.Request{Method: http.MethodGet, Path: path + ".csv", Query: query, Accept: "text/csv"})
	if err != nil {
		return withExitCode(err)
	}
	_, err = w.out.Write(a.Body)
	return err
}

// length returns a duration in hours and minutes, such as 12:05.
func length(seconds int64) string {
	return fmt.Sprintf("%d:%02d", seconds/3600, seconds/60%60)
}

// reportUses runs «report uses». The report shows names only if the token has the right to see them.
func reportUses(ctx context.Context, w stdio, args []string) error {
	var x reporting
	query, err := x.parse(w, "report uses", args)
	if err != nil {
		return err
	}
	type use struct {
		Machine string    `json:"machine"`
		Member  string    `json:"member"`
		Name    string    `json:"name"`
		Role    string    `json:"role"`
		From    time.Time `json:"from"`
		Seconds int64     `json:"seconds"`
		End     string    `json:"end"`
	}
	return x.print(ctx, w, "/reports/uses", query, func() error {
		query.Set("limit", "500")
		return printList(ctx, &x.remote, w, "/reports/uses", query, func(u use) []string {
			return []string{moment(u.From), u.Machine, cmp.Or(u.Name, u.Member), u.Role, length(u.Seconds), u.End}
		})
	})
}

// reportWeeks runs «report weeks». A week begins on Monday, in the site's zone. The hours in the report are the sum of
// the lengths of all sessions.
func reportWeeks(ctx context.Context, w stdio, args []string) error {
	var x reporting
	query, err := x.parse(w, "report weeks", args)
	if err != nil {
		return err
	}
	type week struct {
		Machine  string `json:"machine"`
		Week     string `json:"week"`
		Sessions int    `json:"sessions"`
		Members  int    `json:"members"`
		Seconds  int64  `json:"seconds"`
	}
	return x.print(ctx, w, "/reports/weeks", query, func() error {
		return printList(ctx, &x.remote, w, "/reports/weeks", query, func(k week) []string {
			uses := say(*x.lang, "utilisations", "sessions")
			return []string{k.Week, k.Machine, length(k.Seconds), fmt.Sprintf("%d %s", k.Sessions, uses),
				fmt.Sprintf(say(*x.lang, "%d membres", "%d members"), k.Members)}
		})
	})
}

// reportRefusals runs «report refusals». The report's reasons are the codes of package policy.
func reportRefusals(ctx context.Context, w stdio, args []string) error {
	var x reporting
	query, err := x.parse(w, "report refusals", args)
	if err != nil {
		return err
	}
	type refusals struct {
		Machine string `json:"machine"`
		Reason  string `json:"reason"`
		Times   int    `json:"times"`
		Members int    `json:"members"`
	}
	return x.print(ctx, w, "/reports/refusals", query, func() error {
		return printList(ctx, &x.remote, w, "/reports/refusals", query, func(r refusals) []string {
			return []string{r.Machine, r.Reason, strconv.Itoa(r.Times),
				fmt.Sprintf(say(*x.lang, "%d membres", "%d members"), r.Members)}
		})
	})
}
