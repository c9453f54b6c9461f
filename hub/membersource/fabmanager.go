package membersource

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/hub/memberlist"
)

// fabManager reads the users of Fab-manager, their subscriptions and their trainings (OpenAPI v1). Fab-manager removes
// a training that has lapsed, so that each Fetch reads all of them.
type fabManager struct{ c Config }

// fabUser is an account in Fab-manager.
type fabUser struct {
	ID        int64  `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// fabSubscription is a subscription of a user. A canceled subscription ends when it is canceled.
type fabSubscription struct {
	ID         int64  `json:"id"`
	User       int64  `json:"user_id"`
	Expiration string `json:"expiration_date"`
	Canceled   string `json:"canceled_at"`
}

// fabTraining is a training that a user has followed, and that is still valid.
type fabTraining struct {
	ID       int64 `json:"id"`
	User     int64 `json:"user_id"`
	Training struct {
		Name string `json:"name"`
	} `json:"training"`
}

// read reads the three lists and joins them into the columns of Fab-manager's own export.
func (f fabManager) read(ctx context.Context, c *client) (memberlist.Table, error) {
	c.authorise = func(r *http.Request) { r.Header.Set("Authorization", "Token token="+c.secret) }
	users, err := fabList(ctx, c, "users", func(u fabUser) int64 { return u.ID })
	if err != nil {
		return memberlist.Table{}, err
	}
	subscriptions, err := fabList(ctx, c, "subscriptions", func(s fabSubscription) int64 { return s.ID })
	if err != nil {
		return memberlist.Table{}, err
	}
	trainings, err := fabList(ctx, c, "user_trainings", func(t fabTraining) int64 { return t.ID })
	if err != nil {
		return memberlist.Table{}, err
	}
	ends, err := fabEnds(subscriptions)
	if err != nil {
		return memberlist.Table{}, err
	}
	trained := map[int64][]string{}
	for _, t := range trainings {
		trained[t.User] = append(trained[t.User], strings.TrimSpace(t.Training.Name))
	}
	slices.SortFunc(users, func(a, b fabUser) int { return cmp.Compare(a.ID, b.ID) })
	t := memberlist.Table{XLSX: false, Separator: ';', Header: []string{"ID", "Surname", "First name", "Email",
		"Subscription end date", "Validated trainings"}}
	for _, u := range users {
		names := trained[u.ID]
		slices.Sort(names)
		t.Rows = append(t.Rows, memberlist.Row{Cells: []string{strconv.FormatInt(u.ID, 10), u.LastName, u.FirstName,
			u.Email, ends[u.ID], strings.Join(slices.Compact(names), "\n")}})
	}
	return t, nil
}

// fabEnds returns the last day of the latest subscription of each user, as 2027-09-30.
func fabEnds(all []fabSubscription) (map[int64]string, error) {
	out := map[int64]string{}
	for _, s := range all {
		end, err := fabDay(s.Expiration)
		if err != nil {
			return nil, err
		}
		if s.Canceled != "" {
			canceled, err := fabDay(s.Canceled)
			if err != nil {
				return nil, err
			}
			end = min(end, canceled)
		}
		out[s.User] = max(out[s.User], end)
	}
	return out, nil
}

// fabDay returns the day of a time such as 2027-09-30T23:59:59.000+02:00, in the time zone of the program.
func fabDay(text string) (string, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return "", failure("the program sent a subscription without a usable end")
	}
	return at.Format(time.DateOnly), nil
}

// fabList reads a whole list. Fab-manager counts pages from the newest entry, so that an entry which is added or
// removed in the meantime moves others to another page: fabList then reads the list again.
func fabList[T any](ctx context.Context, c *client, name string, id func(T) int64) ([]T, error) {
	var err error
	for range maxReads {
		var out []T
		var moved bool
		if out, moved, err = fabPages(ctx, c, name, id); !moved {
			return out, err
		}
	}
	return nil, err
}

// fabPages reads the pages of a list until the number of entries that the header Total announces is reached. moved
// reports that the list changed in the meantime.
func fabPages[T any](ctx context.Context, c *client, name string, id func(T) int64) (out []T, moved bool, err error) {
	seen := map[int64]bool{}
	total := -1
	for page := 1; page <= maxPages; page++ {
		var answer map[string]json.RawMessage
		header, err := c.get(ctx, "/open_api/v1/"+name, url.Values{"page": {strconv.Itoa(page)}, "per_page": {"100"}},
			&answer)
		if err != nil {
			return nil, false, err
		}
		now, err := strconv.Atoi(cmp.Or(header.Get("Total"), header.Get("X-Total")))
		var entries []T
		if err != nil || now < 0 || json.Unmarshal(answer[name], &entries) != nil || entries == nil {
			return nil, false, failure("the answer of the program is not the JSON that its API describes")
		}
		if total >= 0 && now != total {
			return nil, true, failure("the list changed while the hub read it")
		}
		if total = now; total > maxEntries {
			return nil, false, tooLong()
		}
		for _, e := range entries {
			if id(e) == 0 {
				return nil, false, failure("the answer of the program is not the JSON that its API describes")
			}
			if seen[id(e)] {
				return nil, true, failure("the list changed while the hub read it")
			}
			seen[id(e)] = true
		}
		if out = append(out, entries...); len(out) > total {
			return nil, false, incomplete(total, len(out))
		}
		if len(out) == total {
			return out, false, nil
		}
		if len(entries) == 0 {
			return nil, true, incomplete(total, len(out))
		}
	}
	return nil, false, tooLong()
}
