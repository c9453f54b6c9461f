package broker

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"portillon/policy"
)

var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// users turns accounts into NATS users. In NATS an MQTT topic's slashes are dots.
func users(site policy.SiteID, accounts []Account) ([]*server.User, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	if !slug.MatchString(string(site)) {
		return nil, fmt.Errorf("the site %q is no id of lower-case letters, digits and hyphens", site)
	}
	var out []*server.User
	seen := map[string]bool{}
	for _, a := range accounts {
		p, err := permissions(site, a)
		if err != nil {
			return nil, err
		}
		if a.User == "" || a.Password == "" || seen[a.User] {
			return nil, fmt.Errorf("the account %q needs a name of its own and a password", a.User)
		}
		seen[a.User] = true
		out = append(out, &server.User{Username: a.User, Password: a.Password, Permissions: p})
	}
	return out, nil
}

func permissions(site policy.SiteID, a Account) (*server.Permissions, error) {
	base := "portillon." + string(site) + "."
	switch a.As {
	case AsHub:
		// The filter portillon/<site>/# also covers portillon/<site>, which «>» alone would not.
		return allow([]string{base + ">"}, []string{strings.TrimSuffix(base, "."), base + ">"}), nil
	case AsMachine:
		if !slug.MatchString(string(a.Machine)) || a.Machine == "ack" || a.Machine == "bundle" {
			return nil, fmt.Errorf("the account %q speaks for %q, which is no machine's id", a.User, a.Machine)
		}
		m := string(a.Machine)
		own := base + m + "."
		return allow([]string{own + "availability", own + "state", own + "records", own + "checkpoint", own + "reply",
			"homeassistant.device.portillon_" + string(site) + "_" + m + ".config"},
			[]string{own + "command", base + "ack." + m, base + "bundle", "homeassistant.status"}), nil
	case AsWatcher:
		return allow([]string{"homeassistant.status"}, []string{base + "*.availability", base + "*.state", "homeassistant", "homeassistant.>"}), nil
	}
	return nil, fmt.Errorf("the account %q may do nothing: say whether it is the hub, a machine or a watcher", a.User)
}

// allow denies all else. Neither list may be empty: NATS would then allow everything.
func allow(pub, sub []string) *server.Permissions {
	return &server.Permissions{Publish: &server.SubjectPermission{Allow: pub}, Subscribe: &server.SubjectPermission{Allow: sub}}
}
