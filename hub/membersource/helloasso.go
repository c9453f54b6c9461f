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

// helloAsso reads the memberships that were sold with one form of HelloAsso (API v5): an OAuth token by
// client_credentials, then the items of the form, page by page with a continuation token, until a page is empty.
type helloAsso struct{ c Config }

// helloAssoPage is a page of items. A nil Data is an answer of another form.
type helloAssoPage struct {
	Data       []helloAssoItem `json:"data"`
	Pagination *struct {
		TotalCount        int    `json:"totalCount"`
		ContinuationToken string `json:"continuationToken"`
	} `json:"pagination"`
}

// helloAssoItem is a membership of one person, within an order that another person may have paid.
type helloAssoItem struct {
	ID    int64  `json:"id"`
	Type  string `json:"type"`
	State string `json:"state"`
	Name  string `json:"name"` // of the tariff
	Order struct {
		ID   int64  `json:"id"`
		Date string `json:"date"`
	} `json:"order"`
	Payer        helloAssoPerson `json:"payer"`
	User         helloAssoPerson `json:"user"`
	CustomFields []struct {
		Name   string `json:"name"`
		Answer string `json:"answer"`
	} `json:"customFields"`
}

// helloAssoPerson is a payer, or a member. HelloAsso knows the address of the payer only.
type helloAssoPerson struct {
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Email     string `json:"email"`
}

// helloAssoHeader has the columns of HelloAsso's own export that the import uses.
var helloAssoHeader = []string{"Référence commande", "Date de la commande", "Statut de la commande", "Nom adhérent",
	"Prénom adhérent", "Nom payeur", "Prénom payeur", "Email payeur", "Tarif"}

// maxQuestions limits the custom fields that become columns: the directory reads at most 100 columns.
const maxQuestions = 80

// read reads all items of the form.
func (h helloAsso) read(ctx context.Context, c *client) (memberlist.Table, error) {
	token := &helloAssoToken{id: h.c.ClientID, client: c}
	if err := token.renew(ctx); err != nil {
		return memberlist.Table{}, err
	}
	c.authorise, c.renew = token.authorise, token.renew
	path := "/v5/organizations/" + h.c.Organization + "/forms/Membership/" + h.c.Form + "/items"
	var items []helloAssoItem
	announced, next := 0, ""
	used, seen := map[string]bool{}, map[int64]bool{}
	for range maxPages {
		query := url.Values{"withDetails": {"true"}, "pageSize": {"100"}}
		if next != "" {
			query.Set("continuationToken", next)
		}
		var page helloAssoPage
		if _, err := c.get(ctx, path, query, &page); err != nil {
			return memberlist.Table{}, err
		}
		if page.Data == nil || page.Pagination == nil {
			return memberlist.Table{}, failure("the answer of the program is not the JSON that its API describes")
		}
		announced = max(announced, page.Pagination.TotalCount)
		if len(page.Data) == 0 {
			if len(seen) < announced {
				return memberlist.Table{}, incomplete(announced, len(seen))
			}
			return helloAssoTable(items), nil
		}
		fresh, err := newItems(page.Data, seen)
		if err != nil {
			return memberlist.Table{}, err
		}
		items = append(items, fresh...)
		if next = page.Pagination.ContinuationToken; next == "" || used[next] {
			return memberlist.Table{}, failure("the program does not say where the next page begins")
		}
		used[next] = true
	}
	return memberlist.Table{}, tooLong()
}

// newItems returns the items of a page that no earlier page had, and adds them to seen.
func newItems(page []helloAssoItem, seen map[int64]bool) (out []helloAssoItem, err error) {
	for _, item := range page {
		if item.ID == 0 {
			return nil, failure("the answer of the program is not the JSON that its API describes")
		}
		if !seen[item.ID] {
			seen[item.ID] = true
			out = append(out, item)
		}
	}
	if len(out) == 0 {
		return nil, failure("the program sent one page twice")
	}
	if len(seen) > maxEntries {
		return nil, tooLong()
	}
	return out, nil
}

// incomplete returns the failure of a list with fewer entries than the program announced.
func incomplete(announced, got int) error {
	return failure("the program announces %d entries and sent %d", announced, got)
}

// tooLong returns the failure of a list beyond the limits.
func tooLong() error {
	return failure("the list has more than %d entries or %d pages", maxEntries, maxPages)
}

// helloAssoTable returns the items as HelloAsso's own export has them. An order may contain donations and options
// beside memberships: these are no members.
func helloAssoTable(items []helloAssoItem) memberlist.Table {
	t := memberlist.Table{Separator: ';', Header: slices.Clone(helloAssoHeader)}
	at := map[string]int{} // column of a custom field, by the plain name
	for i, h := range t.Header {
		at[memberlist.Plain(h)] = i
	}
	for _, item := range items {
		if item.Type != "" && item.Type != "Membership" {
			continue
		}
		cells := item.cells()
		for _, f := range item.CustomFields {
			name := strings.TrimSpace(f.Name)
			i, known := at[memberlist.Plain(name)]
			if !known && len(t.Header) < len(helloAssoHeader)+maxQuestions && memberlist.Plain(name) != "" {
				i, known = len(t.Header), true
				at[memberlist.Plain(name)] = i
				t.Header = append(t.Header, name)
			}
			if !known || i < len(helloAssoHeader) { // a question never replaces a column of the order
				continue
			}
			for len(cells) <= i {
				cells = append(cells, "")
			}
			cells[i] = f.Answer
		}
		t.Rows = append(t.Rows, memberlist.Row{Cells: cells})
	}
	return t
}

// cells returns the columns of helloAssoHeader. A membership that names no member is the payer's own.
func (i helloAssoItem) cells() []string {
	user := i.User
	if strings.TrimSpace(user.FirstName+user.LastName) == "" {
		user = i.Payer
	}
	day := ""
	if at, err := time.Parse(time.RFC3339Nano, i.Order.Date); err == nil {
		day = at.UTC().Format("02/01/2006 15:04:05")
	}
	return []string{strconv.FormatInt(cmp.Or(i.Order.ID, i.ID), 10), day, i.status(), user.LastName, user.FirstName,
		i.Payer.LastName, i.Payer.FirstName, i.Payer.Email, i.Name}
}

// status returns the status as the export has it. Processed items are paid, registered ones were entered by the
// association; every other state is not valid (enum ItemState of API v5).
func (i helloAssoItem) status() string {
	switch i.State {
	case "Processed", "Registered":
		return "Validé"
	case "Canceled":
		return "Annulé"
	}
	return "Inconnu"
}

// helloAssoToken is an access token, which HelloAsso accepts for half an hour, and the token that renews it. HelloAsso
// asks its clients to renew a token by the refresh token, as long as there is one.
type helloAssoToken struct {
	id              string
	client          *client
	access, refresh string
	renewals        int
}

// maxRenewals limits the tokens of one Fetch: a list takes minutes, and a token lasts half an hour.
const maxRenewals = 10

// authorise adds the access token to a request.
func (t *helloAssoToken) authorise(r *http.Request) {
	r.Header.Set("Authorization", "Bearer "+t.access)
}

// renew gets a new access token: by the refresh token, or by the client's secret if there is none or HelloAsso refuses
// it.
func (t *helloAssoToken) renew(ctx context.Context) error {
	if t.renewals++; t.renewals > maxRenewals {
		return failure("the program refuses the credentials (status %d)", http.StatusUnauthorized)
	}
	if t.refresh != "" {
		refresh := t.refresh
		t.refresh = ""
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {t.id}, "refresh_token": {refresh}}
		if t.ask(ctx, form) == nil {
			return nil
		}
	}
	return t.ask(ctx, url.Values{"grant_type": {"client_credentials"}, "client_id": {t.id},
		"client_secret": {t.client.secret}})
}

// ask sends a form to the token endpoint (RFC 6749, section 4.4).
func (t *helloAssoToken) ask(ctx context.Context, form url.Values) error {
	plain := *t.client
	plain.authorise, plain.renew = func(*http.Request) {}, nil
	var got struct {
		Access  string          `json:"access_token"`
		Refresh string          `json:"refresh_token"`
		Expires json.RawMessage `json:"expires_in"` // not used: the program says by its status when a token has expired
	}
	if err := plain.post(ctx, "/oauth2/token", form, &got); err != nil {
		return err
	}
	if got.Access == "" || len(got.Access) > maxAnswer>>10 || strings.ContainsAny(got.Access, "\r\n") {
		return failure("the answer of the program is not the JSON that its API describes")
	}
	t.access, t.refresh = got.Access, got.Refresh
	return nil
}
