package main

import (
	"cmp"
	"fmt"
	"strconv"

	"portillon/policy"
)

// apiReplay is what a draft would have answered to the taps that machines decided.
type apiReplay struct {
	Sessions apiReplayed `json:"sessions"`
	Changes  apiReplayed `json:"role_changes"`
	Refusals apiReplayed `json:"refusals"`
	LeftOut  int         `json:"left_out"` // about how many records were not read in time
}

// apiReplayed are the results for one kind of records.
type apiReplayed struct {
	Days          int `json:"days"`
	Records       int `json:"records"`
	Changed       int `json:"changed"`
	Members       int `json:"members"`
	NotReplayable int `json:"not_replayable"`
	Causes        []struct {
		Machine string `json:"machine"`
		Reason  string `json:"reason"`
		Times   int    `json:"times"`
	} `json:"causes"`
	People []struct {
		Member string `json:"member"`
		Name   string `json:"name"`
		Times  int    `json:"times"`
	} `json:"people"`
	Obstacles []struct {
		Text  string `json:"text"`
		Times int    `json:"times"`
	} `json:"obstacles"`
}

// print prints the replay; nil: the hub has none.
func (r *apiReplay) print(w stdio, l policy.Language) error {
	if r == nil {
		return nil
	}
	for _, x := range []struct {
		of     apiReplayed
		fr, en string
	}{
		{r.Sessions, "utilisations qui auraient été refusées", "sessions that would have been refused"},
		{r.Changes, "changements de rôle ou de mentor qui auraient été refusés",
			"role changes and hand-overs that would have been refused"},
		{r.Refusals, "refus qui auraient été acceptés", "refusals that would have been allowed"},
	} {
		fmt.Fprintf(w.out, say(l, "%s : %d sur %d, en %d jours (membres concernés : %d)\n",
			"%s: %d of %d, in %d days (members concerned: %d)\n"), say(l, x.fr, x.en), x.of.Changed, x.of.Records, x.of.Days,
			x.of.Members)
		if err := table(w, x.of.rows(l)); err != nil {
			return err
		}
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(w.out, say(l, "trop long : environ %d enregistrements, les plus anciens, ne sont pas comptés\n",
			"too slow: about %d records, the oldest, are not counted\n"), r.LeftOut)
	}
	return nil
}

// rows are the causes, the members, and why records are not replayable.
func (r apiReplayed) rows(l policy.Language) (rows [][]string) {
	for _, c := range r.Causes {
		rows = append(rows, []string{" ", strconv.Itoa(c.Times), c.Machine, c.Reason})
	}
	for _, p := range r.People {
		rows = append(rows, []string{" ", strconv.Itoa(p.Times), cmp.Or(p.Name, p.Member)})
	}
	for _, o := range r.Obstacles {
		rows = append(rows, []string{" ", strconv.Itoa(o.Times), say(l, "non rejouable", "not replayable"), o.Text})
	}
	return rows
}
