package broker

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"portillon/policy"
	"portillon/wire"
)

// Mosquitto contains the values for mosquitto's configuration files.
type Mosquitto struct {
	Site         policy.SiteID
	Machines     []policy.MachineID // ids of the machines; each id is also the user name of the machine's account
	Hub, Watcher string             // user names of the accounts of the hub and the watcher
	Listen       string             // host:port; an empty host means all addresses
	TLS          bool
	Dir          string // absolute path of the folder of the configuration files
	Data         string // absolute path of the folder for retained messages
}

// The names of the files in the folder Mosquitto.Dir.
const (
	MosquittoConf     = "mosquitto.conf"
	MosquittoACL      = "portillon.acl"
	MosquittoPassword = "portillon.passwd"
)

// Users returns the names of the accounts: the hub, the watcher, the machines.
func (m Mosquitto) Users() []string {
	out := []string{m.Hub, m.Watcher}
	for _, id := range m.Machines {
		out = append(out, string(id))
	}
	return out
}

// check returns an error for the first value that would break a configuration file or the access rules.
func (m Mosquitto) check() error {
	if !slug.MatchString(string(m.Site)) {
		return fmt.Errorf("invalid site id %q, want lower-case letters, digits and hyphens", m.Site)
	}
	seen := map[string]bool{}
	for _, u := range m.Users() {
		// A name in mosquitto's password file must not contain a colon. A name must not contain the wildcards of
		// topics, + and #.
		if u == "" || len(u) > 64 || strings.ContainsAny(u, " \t\r\n:+#/") || seen[u] {
			return fmt.Errorf("invalid account name %q, want a unique name without blanks and : + # /", u)
		}
		seen[u] = true
	}
	for _, id := range m.Machines {
		if !slug.MatchString(string(id)) {
			return fmt.Errorf("invalid machine id %q, want lower-case letters, digits and hyphens", id)
		}
	}
	for _, dir := range []string{m.Dir, m.Data} {
		if !filepath.IsAbs(dir) || strings.ContainsAny(dir, "\r\n") {
			return fmt.Errorf("invalid folder %q, want an absolute path", dir)
		}
	}
	return nil
}

// ACL returns the text of mosquitto's acl_file. Mosquitto denies all permissions that the file does not list.
func (m Mosquitto) ACL() (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Access list of the site %s, made by portillon hub mosquitto-conf. What is not listed is denied.\n",
		m.Site)
	b.WriteString("#\n# The topics, with who publishes and who may subscribe:\n#\n")
	topics := wire.Topics{Site: m.Site}
	for line := range strings.Lines(topics.Document()) {
		b.WriteString("# " + line)
	}
	writeUser(&b, m.Hub, topics.Permissions(wire.HubParty, "+"))
	writeUser(&b, m.Watcher, topics.Permissions(wire.WatcherParty, "+"))
	for _, id := range m.Machines {
		writeUser(&b, string(id), topics.Permissions(wire.MachineParty, id))
	}
	return b.String(), nil
}

// writeUser writes the permissions of an account in the format of mosquitto's acl_file (mosquitto.conf(5)). "topic
// read" is the permission to subscribe.
func writeUser(b *strings.Builder, user string, permissions []wire.Permission) {
	fmt.Fprintf(b, "\nuser %s\n", user)
	for _, p := range permissions {
		verb := "write"
		switch {
		case p.Publish && p.Subscribe:
			verb = "readwrite"
		case p.Subscribe:
			verb = "read"
		}
		fmt.Fprintf(b, "topic %s %s\n", verb, p.Filter)
	}
}

// Conf returns mosquitto.conf. The file requires mosquitto 2.0 or later (use_username_as_clientid, max_packet_size).
func (m Mosquitto) Conf() (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(m.Listen)
	if err != nil {
		return "", fmt.Errorf("invalid address %q, want host:port: %w", m.Listen, err)
	}
	var passwords, secure strings.Builder
	for i, u := range m.Users() {
		fmt.Fprintf(&passwords, "#   mosquitto_passwd %s%s %s\n", map[bool]string{true: "-c "}[i == 0], filepath.Join(m.Dir,
			MosquittoPassword), u)
	}
	if m.TLS {
		fmt.Fprintf(&secure, "# Your certificate and its key, in PEM; machines check its name.\ncertfile %s\nkeyfile %s\n",
			filepath.Join(m.Dir, "server.crt"), filepath.Join(m.Dir, "server.key"))
	}
	return fmt.Sprintf(conf, m.Site, filepath.Join(m.Dir, MosquittoACL), passwords.String(), filepath.Join(m.Dir,
		MosquittoPassword),
		strings.TrimRight(port+" "+host, " "), secure.String(), filepath.Join(m.Dir, MosquittoPassword), filepath.Join(m.Dir,
			MosquittoACL),
		wire.MaxPacket+1, maxPending, maxRetained(len(m.Machines))+maxWaiting,
		strings.TrimRight(m.Data, "/")+"/"), nil
}

const conf = `# mosquitto.conf for the site %s, made by: portillon hub mosquitto-conf HUB.yaml
# For mosquitto 2.0 or newer, in place of its own mosquitto.conf. Who may do what is in %s.
#
# Passwords: run each line once as root. It asks for the password; a machine's is also in the password-file of its
# machine.yaml.
%s# Then: chown root:mosquitto %s; chmod 640 the same; restart mosquitto.

listener %s
%s# Without it every acknowledgement waits 40 ms (Nagle's algorithm beside delayed TCP acknowledgements).
set_tcp_nodelay true
# A client's id is its account's name, whatever it asks for: no account can take over another's connection, and each
# has one.
use_username_as_clientid true
allow_anonymous false
password_file %s
acl_file %s

# The largest packet of Portillon, in bytes: mosquitto counts the remaining length and one byte. It ends the
# connection that sends more.
max_packet_size %d

# For each client that does not read: messages and bytes that may wait. For the whole: bytes of memory.
max_inflight_messages 512
max_queued_messages 2000
max_queued_bytes %d
memory_limit %d
max_connections 1000

# Retained messages survive a restart; sessions of clients that are away do not.
persistence true
persistence_location %s
persistent_client_expiration 1h
`
