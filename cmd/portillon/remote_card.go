package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portillon/hub/apiclient"
	"portillon/policy"
)

// apiCard is a card in the API.
type apiCard struct {
	ID     string    `json:"id"`     // id of the card at the hub
	Number string    `json:"number"` // number in hexadecimal; empty if the token has no right to see numbers
	Last   string    `json:"last"`   // last digits of the number
	State  string    `json:"state"`  // state: active, lost, blocked or replaced
	Since  time.Time `json:"since"`  // time at which the state changed
	Note   string    `json:"note"`
}

// cells returns the card as a row of a table. If the token has no right to see numbers, the row contains only the last
// digits.
func (c apiCard) cells() []string {
	number := c.Number
	if number == "" {
		number = "…" + c.Last
	}
	return []string{c.ID, number, c.State, moment(c.Since), c.Note}
}

// apiBadge is a badge in the API.
type apiBadge struct {
	ID      string    `json:"id"`    // id of the badge at the hub
	Name    string    `json:"name"`  // the achievement's name
	Badge   string    `json:"badge"` // badge of the policy to which this badge corresponds
	Issuer  string    `json:"issuer"`
	Verdict string    `json:"verdict"` // verdict: valid, invalid or indeterminate
	Expires time.Time `json:"expires"` // zero: no end
	Member  string    `json:"member"`  // the owner's id
	From    string    `json:"from"`    // file or address from which the badge was read
	Refused string    `json:"refused"` // reason why the hub rejected the badge; empty: accepted
	Checks  []struct {
		OK      bool   `json:"ok"`
		Outcome string `json:"outcome"`
	} `json:"checks"`
}

// cells returns the badge as a row of a table, with the first check that failed.
func (b apiBadge) cells(l policy.Language) []string {
	verdict := map[string]string{"valid": say(l, "valable", "valid"), "invalid": say(l, "non valable", "invalid"),
		"indeterminate": say(l, "non vérifiable maintenant", "cannot be verified now")}[b.Verdict]
	for _, c := range b.Checks {
		if !c.OK {
			verdict += " (" + c.Outcome + ")"
			break
		}
	}
	if b.Refused != "" {
		return []string{b.From, say(l, "refusé", "refused"), b.Refused}
	}
	return []string{b.Name, b.Badge, verdict, moment(b.Expires), b.Issuer, b.Member, b.ID}
}

// printCard prints the card in an answer.
func (x *remote) printCard(w stdio) func(apiclient.Answer, *apiclient.Client) error {
	return func(a apiclient.Answer, c *apiclient.Client) error {
		var card apiCard
		if err := c.Read(a, &card); err != nil {
			return err
		}
		return table(w, [][]string{card.cells()})
	}
}

// cardAssign runs «card assign». With --tap, card assign assigns the card that was tapped at a machine, and nobody sees
// the card's number. With --number, card assign assigns the card that has this number.
func cardAssign(ctx context.Context, w stdio, args []string) error {
	var x remote
	var tap, number, note string
	rest, err := parseFlags(w, "card assign", args, 1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&tap, "tap", "", "the card of this tap: an id of portillon card taps")
		fs.StringVar(&number, "number", "", "the card with this number")
		fs.StringVar(&note, "note", "", "with --number: a note about the card")
	})
	if err != nil {
		return err
	}
	if (tap == "") == (number == "") {
		return wrong("card assign takes --tap or --number").
			hinted("portillon card taps --hub … lists the taps of cards that nobody has")
	}
	q := apiclient.Request{Method: http.MethodPost, Path: apiclient.Path("members", rest[0], "cards"),
		JSON: map[string]string{"number": number, "note": note}}
	if tap != "" {
		q.Path, q.JSON = apiclient.Path("taps", tap, "assign"), map[string]string{"member": rest[0]}
	}
	return x.ask(ctx, w, q, x.printCard(w))
}

// cardBlock runs «card block». Machines refuse the card as soon as they have the next bundle.
func cardBlock(ctx context.Context, w stdio, args []string) error {
	return cardState(ctx, w, args, "card block", "blocked")
}

// cardLost runs «card lost». Machines refuse the card as soon as they have the next bundle. When somebody taps the
// card, the hub notifies the staff.
func cardLost(ctx context.Context, w stdio, args []string) error {
	return cardState(ctx, w, args, "card lost", "lost")
}

// cardActivate runs «card activate».
func cardActivate(ctx context.Context, w stdio, args []string) error {
	return cardState(ctx, w, args, "card activate", "active")
}

// cardState changes the state of a card.
func cardState(ctx context.Context, w stdio, args []string, verb, state string) error {
	var x remote
	var note string
	rest, err := parseFlags(w, verb, args, 2, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&note, "note", "", "why")
	})
	if err != nil {
		return err
	}
	q := apiclient.Request{Method: http.MethodPut, Path: apiclient.Path("members", rest[0], "cards", rest[1]),
		JSON: map[string]string{"state": state, "note": note}}
	words := map[string][2]string{"blocked": {"carte bloquée", "card blocked"},
		"lost":   {"carte déclarée perdue", "card reported lost"},
		"active": {"carte active", "card active"}}[state]
	return x.ask(ctx, w, q, x.printerOf(w, words[0], words[1]))
}

// cardTaps runs «card taps». A tapped card can be assigned to a member if the hub has the card's HMAC.
func cardTaps(ctx context.Context, w stdio, args []string) error {
	var x remote
	if _, err := parseFlags(w, "card taps", args, 0, x.declare); err != nil {
		return err
	}
	type tap struct {
		ID         string    `json:"id"`
		Machine    string    `json:"machine"`
		At         time.Time `json:"at"`
		Code       string    `json:"code"`
		Times      int       `json:"times"`
		Assignable bool      `json:"assignable"`
	}
	return printList(ctx, &x, w, "/taps", url.Values{"limit": {"500"}}, func(t tap) []string {
		assign := ""
		if t.Assignable {
			assign = say(*x.lang, "à attribuer", "can be assigned")
		}
		return []string{t.ID, t.Code, t.Machine, moment(t.At), fmt.Sprintf("%d ×", t.Times), assign}
	})
}

// badgeAdd runs «badge add», which uploads a badge, or sends the badge's address to the hub. If --member is not given,
// the hub finds the member to whom the badge was issued. The hub verifies the badge and stores it together with the
// verdict, even if the badge is invalid.
func badgeAdd(ctx context.Context, w stdio, args []string) error {
	var x remote
	var member, address string
	rest, err := parseFlags(w, "badge add", args, -1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&member, "member", "", "whose badge it is; default: as the badge names its recipient")
		fs.StringVar(&address, "url", "", "with --member: the badge's address, in place of a file")
	})
	if err != nil {
		return err
	}
	if address != "" && member != "" && len(rest) == 0 {
		q := apiclient.Request{Method: http.MethodPost, Path: apiclient.Path("members", member, "badges", "url"),
			JSON: map[string]string{"url": address}}
		return x.ask(ctx, w, q, func(a apiclient.Answer, c *apiclient.Client) error {
			var b apiBadge
			if err := c.Read(a, &b); err != nil {
				return err
			}
			return table(w, [][]string{b.cells(*x.lang)})
		})
	}
	if len(rest) != 1 || address != "" {
		return wrong("badge add takes a file, or --url with --member").
			hinted("portillon badge add lea.png --member m-lea --hub …")
	}
	return x.addBadges(ctx, w, member, rest[0])
}

// addBadges uploads a file with one or more badges. If the hub refuses a badge, the exit code is 1.
func (x *remote) addBadges(ctx context.Context, w stdio, member, file string) error {
	data, err := readUpload(file)
	if err != nil {
		return err
	}
	form, kind, err := formOf(filepath.Base(file), data, nil)
	if err != nil {
		return err
	}
	q := apiclient.Request{Method: http.MethodPost, Path: "/badges", Body: form, Type: kind}
	if member != "" {
		q.Path = apiclient.Path("members", member, "badges")
	}
	refused := false
	err = x.ask(ctx, w, q, func(a apiclient.Answer, c *apiclient.Client) error {
		var added struct {
			Items []apiBadge `json:"items"`
		}
		if err := c.Read(a, &added); err != nil {
			return err
		}
		var rows [][]string
		for _, b := range added.Items {
			refused = refused || b.Refused != ""
			rows = append(rows, b.cells(*x.lang))
		}
		return table(w, rows)
	})
	if err == nil && refused {
		return errNo
	}
	return err
}

// badgeList runs «badge list».
func badgeList(ctx context.Context, w stdio, args []string) error {
	var x remote
	rest, err := parseFlags(w, "badge list", args, 1, x.declare)
	if err != nil {
		return err
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	var m struct {
		Badges []json.RawMessage `json:"badges"`
	}
	if _, err := c.Get(ctx, apiclient.Path("members", rest[0]), nil, &m); err != nil {
		return withExitCode(err)
	}
	if x.json {
		return printJSON(w.out, append([]json.RawMessage{}, m.Badges...))
	}
	var rows [][]string
	for _, raw := range m.Badges {
		var b apiBadge
		if err := json.Unmarshal(raw, &b); err != nil {
			return &failure{code: 3, err: fmt.Errorf("hub's answer cannot be parsed: %w", err)}
		}
		rows = append(rows, b.cells(*x.lang))
	}
	return table(w, rows)
}

// formOf returns a file as a multipart form. If the mapping of the columns is not empty, formOf adds it to the form.
func formOf(name string, data []byte, mapping map[string]string) (body []byte, kind string, err error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", strings.ToValidUTF8(name, "?"))
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil && len(mapping) > 0 {
		var text []byte
		if text, err = json.Marshal(mapping); err == nil {
			err = form.WriteField("mapping", string(text))
		}
	}
	if err == nil {
		err = form.Close()
	}
	return b.Bytes(), form.FormDataContentType(), err
}

// writePrivate writes a file with personal data that only the file's owner can read. If the name is empty, writePrivate
// prints the content.
func (w stdio) writePrivate(path string, b []byte, force bool) error {
	if path == "" {
		_, err := w.out.Write(b)
		return err
	}
	if _, err := os.Lstat(path); err == nil && !force {
		return wrong("%s exists already", path).hinted("--force writes over it")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return wrong("%w", err)
	}
	fmt.Fprintf(w.out, "wrote %s (%d bytes)\n", path, len(b))
	return nil
}
