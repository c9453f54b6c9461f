package hub_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/api"
	"portillon/hub/web"
)

// methodsThatDenyNobody returns the methods that have an actor parameter but deny no actor, each with the reason.
func methodsThatDenyNobody() map[string]string {
	return map[string]string{
		"audit.Append": "writes an entry in the transaction of an act, which was asked for before",
		"audit.Forget": "is called by account.Registry.Forget, which asks for actor.EraseMembers",
	}
}

// methodsForOneself returns the methods that an account without a role may call for itself.
func methodsForOneself() []string {
	return []string{"account.Passwords.ChangePassword", "account.Tokens.Issue"}
}

// Each method with an actor parameter, of each service, denies three actors: nobody, an account without a role, and an
// owner's token without scopes. This test also finds a new method without a check that is not in a table yet.
func TestEveryServiceMethodDeniesActorsWithoutPermission(t *testing.T) {
	h, _ := managedHub(t, withIssuer(t))
	who := map[string]actor.Actor{"nobody": {}, "an account without a role": {Account: "somebody", Name: "Somebody"},
		"a token without scopes": {Account: "boss", Name: "Boss", Site: actor.Owner, Token: "t-1", Scopes: []actor.Act{}}}
	asked, skipped := 0, 0
	for pkg, service := range h.Asked() {
		v := reflect.ValueOf(service)
		for i := range v.NumMethod() {
			name := pkg + "." + v.Type().Method(i).Name
			if !takesActor(v.Method(i).Type()) {
				continue
			}
			if methodsThatDenyNobody()[name] != "" {
				skipped++
				continue
			}
			for as, a := range who {
				if as == "an account without a role" && slices.Contains(methodsForOneself(), name) {
					continue
				}
				asked++
				err := callWith(t.Context(), v.Method(i), a)
				if denied := (*actor.Denied)(nil); !errors.As(err, &denied) {
					t.Errorf("%s answers %s: %v, want a denial", name, as, err)
				}
			}
		}
	}
	if asked < 150 || skipped != len(methodsThatDenyNobody()) {
		t.Errorf("%d calls and %d exceptions: methods were not found", asked, skipped)
	}
}

func takesActor(method reflect.Type) bool {
	for i := range method.NumIn() {
		if method.In(i) == reflect.TypeFor[actor.Actor]() {
			return true
		}
	}
	return false
}

// callWith calls a method with the actor a and with ids that do not exist in the database, and returns the method's
// error.
func callWith(ctx context.Context, method reflect.Value, a actor.Actor) error {
	in := make([]reflect.Value, 0, method.Type().NumIn())
	for i := range method.Type().NumIn() {
		of := method.Type().In(i)
		v := reflect.New(of).Elem()
		switch {
		case of == reflect.TypeFor[context.Context]():
			v.Set(reflect.ValueOf(ctx))
		case of == reflect.TypeFor[actor.Actor]():
			v.Set(reflect.ValueOf(a))
		case of == reflect.TypeFor[io.Writer]():
			v.Set(reflect.ValueOf(io.Discard))
		case of.Kind() == reflect.String:
			v.SetString("x")
		case of.Kind() == reflect.Func:
			v.Set(reflect.MakeFunc(of, func([]reflect.Value) (out []reflect.Value) {
				for i := range of.NumOut() {
					out = append(out, reflect.Zero(of.Out(i)))
				}
				return out
			}))
		}
		in = append(in, v)
	}
	out := method.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// methodsWithoutActor returns the methods without an actor parameter that the pages and the API call. Each value
// explains how the method authenticates the caller instead.
func methodsWithoutActor() map[string]string {
	return map[string]string{
		"SignIn": "a password", "FromToken": "an API token", "Redeem": "the first owner's code", "ResetPassword": "a code",
		"UseCode":  "a printed code",
		"MailLink": "answers alike for every address", "Link": "the code of a link", "UseLink": "the code of a link",
		"Public": "shows nothing unless the site wants a public status, or the member a public badge", "Verify": "as Public",
		"SpaceAPI": "as Public", "Wall": "a screen's key",
		"Form": "answers not found unless the site permits visits on the visitor's own phone", "Bring": "as Form",
		"Get": "the secret of a visit", "Confirm": "the secret of a visit",
		"SignOut": "ends the session of the request itself", "Subscribe": "names no row; each event is filtered (mayHear)",
	}
}

// servicesOf returns the interfaces among the fields of options, including those in fields that are structs.
func servicesOf(options reflect.Type) (out []reflect.Type) {
	for i := range options.NumField() {
		f := options.Field(i)
		switch {
		case f.Type.Kind() == reflect.Interface && f.Type.NumMethod() > 0:
			out = append(out, f.Type)
		case f.Type.Kind() == reflect.Struct && f.Name != "Log":
			out = append(out, servicesOf(f.Type)...)
		}
	}
	return out
}

// The pages and the API call only service methods that have an actor parameter.
func TestPagesAndAPIPassTheActorToServices(t *testing.T) {
	seen, count := map[string]bool{}, 0
	for _, of := range []reflect.Type{reflect.TypeFor[web.Options](), reflect.TypeFor[api.Options]()} {
		for _, service := range servicesOf(of) {
			for j := range service.NumMethod() {
				m := service.Method(j)
				count++
				if seen[m.Name] = true; !takesActor(m.Type) && methodsWithoutActor()[m.Name] == "" {
					t.Errorf("%s.%s of %s takes no actor: who asks is not told", service, m.Name, of)
				}
			}
		}
	}
	if count < 120 {
		t.Errorf("found %d methods that pages and API call, want at least 120: fields were missed", count)
	}
	for name := range methodsWithoutActor() {
		if !seen[name] {
			t.Errorf("%s is no method any more", name)
		}
	}
}

// A path with the reader's own id and an id of another person's badge, session or token is not found.
func TestPathWithTheReadersIDFindsNoDataOfOtherPersons(t *testing.T) {
	r := newRig(t)
	jules, victim := r.readers["member"], r.victim
	own, api := string(jules.member), api.Prefix
	session := "s-" + r.newSession("biklab", victim.account)[:8]
	token := r.tokenID(victim.account)
	for _, c := range []struct{ method, path string }{
		{"GET", api + "/members/" + own + "/badges/" + r.badgeOf(victim.member)},
		{"DELETE", api + "/me/sessions/" + session},
		{"DELETE", api + "/me/tokens/" + token},
		{"DELETE", api + "/accounts/" + jules.account + "/tokens/" + token},
		{"POST", "/settings/sessions/" + session + "/end"},
		{"POST", "/settings/tokens/" + token + "/revoke"},
	} {
		q := request{method: c.method, path: c.path}
		if strings.HasPrefix(c.path, "/settings") {
			q.kind, q.body = "application/x-www-form-urlencoded", []byte("x=1")
		}
		if got := r.ask(jules, q); got.status != 404 {
			t.Errorf("%s %s: %d, want 404: %.200s", c.method, c.path, got.status, got.body)
		}
	}
	sessions, err := r.h.Accounts().Sessions.Active(t.Context(), root, victim.account)
	if err != nil || !slices.ContainsFunc(sessions, func(s account.Session) bool { return s.ID == session }) {
		t.Errorf("the session is gone: %v, %v", sessions, err)
	}
	if tokens, err := r.h.Accounts().Tokens.Issued(t.Context(), root, victim.account); err != nil ||
		!slices.ContainsFunc(tokens, func(t account.Token) bool { return t.ID == token }) {
		t.Errorf("the token is gone: %v, %v", tokens, err)
	}
}
