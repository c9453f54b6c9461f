package membersource

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portillon/hub/memberlist"
)

// memberMatters reads the members of MemberMatters: one array without pages, with card numbers in clear.
type memberMatters struct{ c Config }

// matterMember is a member as MemberMatters lists it.
type matterMember struct {
	ID    int64  `json:"id"`
	Email string `json:"email"`
	Name  struct {
		First string `json:"first"`
		Last  string `json:"last"`
		Full  string `json:"full"`
	} `json:"name"`
	State         string          `json:"state"` // active, inactive, noob (new), accountonly
	RFID          json.RawMessage `json:"rfid"`  // a text, a number or null
	LastInduction string          `json:"lastInduction"`
}

// read reads all members. The table has members of every state: package memberlist leaves out those who are not active.
func (m memberMatters) read(ctx context.Context, c *client) (memberlist.Table, error) {
	c.authorise = func(r *http.Request) { r.Header.Set("Authorization", "Api-Key "+c.secret) }
	var all []matterMember
	if _, err := c.get(ctx, "/api/admin/members/", url.Values{}, &all); err != nil {
		return memberlist.Table{}, err
	}
	if len(all) > maxEntries {
		return memberlist.Table{}, tooLong()
	}
	t := memberlist.Table{Separator: ';', Header: []string{"ID", "First name", "Last name", "Email", "State",
		"Last induction"}}
	if m.c.Cards != "" {
		t.Header = append(t.Header, "RFID")
	}
	seen := map[int64]bool{}
	for _, x := range all {
		if x.ID == 0 || seen[x.ID] || x.State == "" {
			return memberlist.Table{}, failure("the answer of the program is not the JSON that its API describes")
		}
		seen[x.ID] = true
		first, last := x.Name.First, x.Name.Last
		if strings.TrimSpace(first+last) == "" {
			last = x.Name.Full
		}
		cells := []string{strconv.FormatInt(x.ID, 10), first, last, x.Email, x.State, usDay(x.LastInduction)}
		if m.c.Cards != "" {
			cells = append(cells, cardOf(m.c.Cards, x.RFID))
		}
		t.Rows = append(t.Rows, memberlist.Row{Cells: cells})
	}
	return t, nil
}

// usDay returns the day of a time such as 09/30/2027, 18:05:00 as 2027-09-30, so that the import does not read the
// month as the day. MemberMatters writes local times without a zone. A text of another form is left out: no field is
// read from it unless an administrator assigns the column.
func usDay(text string) string {
	at, err := time.Parse("01/02/2006, 15:04:05", strings.TrimSpace(text))
	if err != nil {
		return ""
	}
	return at.Format(time.DateOnly)
}

// cardOf returns a card number in the form that the import reads: digits alone could be decimal or hexadecimal.
func cardOf(form string, raw json.RawMessage) string {
	text := ""
	if json.Unmarshal(raw, &text) != nil {
		var n json.Number
		if json.Unmarshal(raw, &n) != nil {
			return ""
		}
		text = n.String()
	}
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	return form + ":" + text
}
