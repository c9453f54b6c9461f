package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"time"

	"portillon/hub/apiclient"
	"portillon/policy"
)

// apiCardKey contains the fields of the card key's state in the API that the tool prints.
type apiCardKey struct {
	InForce string     `json:"in_force"`   // check value of the key in force
	Before  string     `json:"before"`     // check value of the old key; empty: no change is in progress
	Began   time.Time  `json:"began"`      // time at which the change began
	Who     string     `json:"who"`        // who began it
	Left    int        `json:"cards_left"` // number of cards that still need the old key
	Cards   []struct { // those cards
		Member string `json:"member"`
		Name   string `json:"name"`
		Last   string `json:"last"`
		State  string `json:"state"`
	} `json:"cards"`
	Machines []struct {
		Machine string `json:"machine"`
		CardKey string `json:"card_key"`
		HasKey  bool   `json:"has_key"`
		Why     string `json:"why"`
	} `json:"machines"`
}

// cardKeyShow runs «key show card». A change of the card key is complete when every card has been hashed with the new
// key. If a card was assigned by its code, the hub does not have the card's number, so the member must tap this card
// once.
func cardKeyShow(ctx context.Context, w stdio, args []string) error {
	var x remote
	if _, err := parseFlags(w, "key show card", args, 0, x.declare); err != nil {
		return err
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	var k apiCardKey
	a, err := c.Get(ctx, "/card-key", nil, &k)
	if err != nil {
		return withExitCode(err)
	}
	return x.show(w, c, a, func(apiclient.Answer, *apiclient.Client) error {
		k.print(w, *x.lang)
		return nil
	})
}

// print lists the machines and the cards that still need the old key, each on a line of its own.
func (k apiCardKey) print(w stdio, l policy.Language) {
	fmt.Fprintf(w.out, say(l, "clé des cartes en vigueur : %s\n", "card key in force: %s\n"), plain(k.InForce))
	if k.Before == "" {
		fmt.Fprint(w.out, say(l, "aucun changement en cours\n", "no change-over is under way\n"))
	} else {
		fmt.Fprintf(w.out, say(l, "clé d’avant : %s, changement commencé le %s par %s\n",
			"key before: %s, change-over begun %s by %s\n"),
			plain(k.Before), moment(k.Began), plain(k.Who))
	}
	for _, m := range k.Machines {
		fmt.Fprintf(w.out, "%-16s %s\n", plain(m.Machine), machineKeyWords(m.HasKey, m.Why, k.Before != "", l))
	}
	if k.Before != "" {
		fmt.Fprintf(w.out, say(l, "cartes encore sur l’ancienne clé : %d\n", "cards still on the old key: %d\n"), k.Left)
	}
	for _, c := range k.Cards {
		fmt.Fprintf(w.out, "%-12s …%s  %s  %s\n", plain(c.Member), plain(c.Last), plain(c.State), plain(c.Name))
	}
}

// machineKeyWords returns a text that states whether a machine has the key in force, or the reason why not.
func machineKeyWords(has bool, why string, changing bool, l policy.Language) string {
	switch {
	case has:
		return say(l, "a la clé", "has the key")
	case why == "by-hand":
		return say(l, "fichiers posés à la main : lui donner la clé et un paquet à la main",
			"files put there by hand: give it the key and a bundle by hand")
	case why == "program":
		return say(l, "programme trop ancien : le mettre à jour", "its program is too old: upgrade it")
	case why == "away":
		return say(l, "hors ligne : prendra la clé à son retour", "offline: it fetches the key when it is back")
	case changing:
		return say(l, "n’a pas encore la clé", "does not have the key yet")
	}
	return say(l, "ne dit pas quelle clé il a", "does not say which key it has")
}

// cardKeyRotate runs «key rotate card». The old key stays valid until «key end card». Machines fetch the new key
// automatically.
func cardKeyRotate(ctx context.Context, w stdio, args []string) error {
	var x remote
	var reason string
	_, err := parseFlags(w, "key rotate card", args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&reason, "reason", "", "why, for the audit log")
	})
	if err == nil {
		err = missing("portillon key rotate card --reason 'laser stolen' --hub …", need{"--reason", reason != ""})
	}
	if err != nil {
		return err
	}
	return x.changeCardKey(ctx, w, "rotate", map[string]string{"reason": reason},
		"nouvelle clé des cartes en vigueur ; « portillon key show card » liste ce qui dépend encore de l’ancienne",
		"a new card key is in force; \"portillon key show card\" lists what still depends on the old one")
}

// cardKeyEnd runs «key end card», which ends a change of the card key. If a card still needs the old key at that time,
// somebody must assign the card again.
func cardKeyEnd(ctx context.Context, w stdio, args []string) error {
	var x remote
	var yes bool
	_, err := parseFlags(w, "key end card", args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.BoolVar(&yes, "yes", false, "accept that cards which still depend on the old key stop working")
	})
	if err == nil && !yes {
		err = wrong("--yes is missing").
			hinted("\"portillon key show card\" lists the cards that stop working; they have to be assigned anew")
	}
	if err != nil {
		return err
	}
	return x.changeCardKey(ctx, w, "end", nil, "l’ancienne clé des cartes est supprimée", "the old card key is deleted")
}

// changeCardKey sends a change of the card key, based on the key's present version at the hub. The argument do is
// "rotate" or "end".
func (x *remote) changeCardKey(ctx context.Context, w stdio, do string, in any, fr, en string) error {
	c, err := x.client()
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, c, "/card-key")
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, apiclient.Request{Method: http.MethodPost, Path: "/card-key/" + do, Match: version, JSON: in})
	if err != nil {
		return withExitCode(err)
	}
	return x.show(w, c, a, x.printerOf(w, fr, en))
}
