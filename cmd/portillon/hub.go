package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"portillon/hub"
	"portillon/hub/broker"
	"portillon/policy"
)

// mosquittoDir is the folder from which Debian's mosquitto reads its settings.
const mosquittoDir = "/etc/mosquitto"

// hubMosquittoConf runs «hub mosquitto-conf», which writes mosquitto's settings and access list for the machines of a
// hub.yaml. The command is for sites that run their own mosquitto in place of the hub's broker. hub mosquitto-conf
// derives the access list from the same table as the permissions of the hub's own broker (wire/topics.go).
func hubMosquittoConf(_ context.Context, w stdio, args []string) error {
	var dir, data string
	rest, err := parseFlags(w, "hub mosquitto-conf", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "o", "", "write the two files into this folder (without: print them, for "+mosquittoDir+")")
		fs.StringVar(&data, "data", "/var/lib/mosquitto", "where mosquitto stores what is retained")
	})
	if err != nil {
		return err
	}
	c, err := hub.ReadConfig(rest[0])
	if err != nil {
		return err
	}
	m, err := mosquittoOf(c, cmp.Or(dir, mosquittoDir), data)
	if err != nil {
		return err
	}
	conf, err := m.Conf()
	if err != nil {
		return wrong("%s: %w", rest[0], err)
	}
	acl, err := m.ACL()
	if err != nil {
		return wrong("%s: %w", rest[0], err)
	}
	if dir == "" {
		_, err := fmt.Fprintf(w.out, "# %s/%s\n%s\n# %s/%s\n%s", mosquittoDir, broker.MosquittoConf, conf, mosquittoDir,
			broker.MosquittoACL, acl)
		return err
	}
	return writeMosquitto(w, m, conf, acl)
}

// mosquittoOf reads from a hub.yaml the settings that mosquitto's files need.
func mosquittoOf(c hub.Config, dir, data string) (broker.Mosquitto, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return broker.Mosquitto{}, err
	}
	m := broker.Mosquitto{Site: c.Site, Hub: cmp.Or(c.MQTT.Username, "hub"), Watcher: "watcher", Listen: c.MQTT.Listen,
		Dir: abs, Data: data,
		TLS: c.MQTT.Cert != ""}
	for _, x := range c.Machines {
		m.Machines = append(m.Machines, x.ID)
	}
	if slices.Contains(m.Machines, policy.MachineID(m.Hub)) {
		return m, wrong("the machine %s has the name of the hub's account",
			m.Hub).hinted("mqtt: { username: … } in hub.yaml names the hub's account")
	}
	// The hub connects to this broker, so mosquitto must listen on the same port. If the hub uses a loopback address,
	// mosquitto listens on loopback only.
	if c.MQTT.Broker != "" {
		u, err := url.Parse(c.MQTT.Broker)
		if err != nil {
			return m, wrong("mqtt: broker: %w", err)
		}
		host, port := "", u.Port()
		m.TLS = u.Scheme == "ssl"
		if port == "" {
			port = map[bool]string{false: "1883", true: "8883"}[m.TLS]
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			host = u.Hostname()
		}
		m.Listen = net.JoinHostPort(host, port)
	}
	return m, nil
}

// writeMosquitto writes mosquitto's files, and prints how to set the accounts' passwords.
func writeMosquitto(w stdio, m broker.Mosquitto, conf, acl string) error {
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return err
	}
	for _, f := range []struct{ name, text string }{{broker.MosquittoConf, conf}, {broker.MosquittoACL, acl}} {
		path := filepath.Join(m.Dir, f.name)
		if err := os.WriteFile(path, []byte(f.text), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(w.out, "wrote %s\n", path)
	}
	fmt.Fprintf(w.out, "passwords: one line for each account, as root\n")
	for i, u := range m.Users() {
		fmt.Fprintf(w.out, "  mosquitto_passwd %s%s %s\n", map[bool]string{true: "-c "}[i == 0], filepath.Join(m.Dir,
			broker.MosquittoPassword), u)
	}
	return nil
}
