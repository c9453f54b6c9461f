package broker_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"portillon/hub/broker"
)

func asPress(t *testing.T, addr, password string) bool {
	return canConnect(t, options(addr).SetUsername("press").SetPassword(password).SetClientID("portillon-biklab-press"))
}

func waitClosed(t *testing.T, c *client) {
	t.Helper()
	poll := time.Tick(5 * time.Millisecond)
	for end := time.Now().Add(patience); c.isOpen(); <-poll {
		if time.Now().After(end) {
			t.Fatal("the connection is still open")
		}
	}
}

func press() broker.Account {
	return broker.Account{
		User:         "press",
		PasswordHash: sha256.Sum256([]byte("sserp")),
		As:           broker.AsMachine,
		Machine:      "press",
	}
}

func TestAccountAddedToARunningBrokerHasTheMachinesPermissions(t *testing.T) {
	if testing.Short() {
		t.Skip("short: opens and closes many connections")
	}
	b := run(t, t.TempDir(), accounts())
	hub := login(t, b.Addr(), "hub")
	hub.subscribe("portillon/biklab/+/records")
	if asPress(t, b.Addr(), "sserp") {
		t.Fatal("an account that does not exist was accepted")
	}
	if err := b.Set(press()); err != nil {
		t.Fatal(err)
	}
	if asPress(t, b.Addr(), "wrong") || asPress(t, b.Addr(), "") {
		t.Error("a wrong password was accepted")
	}
	c := open(t, options(b.Addr()).SetUsername("press").SetPassword("sserp").SetClientID("portillon-biklab-press"))
	c.publish("portillon/biklab/laser/records", false, "not its own")
	c.publish("portillon/biklab/press/records", false, "its own")
	if m := hub.next(); m.Topic() != "portillon/biklab/press/records" {
		t.Errorf("%s was published by press", m.Topic())
	}
}

func TestRemovingAnAccountClosesOnlyThatAccountsConnections(t *testing.T) {
	b := run(t, t.TempDir(), accounts())
	if err := b.Set(press()); err != nil {
		t.Fatal(err)
	}
	c := open(t, options(b.Addr()).SetUsername("press").SetPassword("sserp").SetClientID("portillon-biklab-press"))
	laser := login(t, b.Addr(), "laser")
	if err := b.Set(press()); err != nil { // Set the same account again, which must not close the connection
		t.Fatal(err)
	}
	c.publish("portillon/biklab/press/records", false, "still there")
	if err := b.Remove("press"); err != nil {
		t.Fatal(err)
	}
	waitClosed(t, c)
	if asPress(t, b.Addr(), "sserp") {
		t.Error("a removed account was accepted")
	}
	laser.publish("portillon/biklab/laser/records", false, "there")
	if !laser.isOpen() {
		t.Error("the connection of another account was cut")
	}
	if b.Remove("press") != nil || b.Remove("hub") == nil {
		t.Error("remove: want no error for an account that is gone, and one for the hub's")
	}
}

func TestNewPasswordClosesOldConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("short: opens and closes many connections")
	}
	b := run(t, t.TempDir(), accounts())
	if err := b.Set(press()); err != nil {
		t.Fatal(err)
	}
	c := open(t, options(b.Addr()).SetUsername("press").SetPassword("sserp").SetClientID("portillon-biklab-press"))
	a := press()
	a.PasswordHash = sha256.Sum256([]byte("other"))
	if err := b.Set(a); err != nil {
		t.Fatal(err)
	}
	waitClosed(t, c)
	if asPress(t, b.Addr(), "sserp") || !asPress(t, b.Addr(), "other") {
		t.Error("the old password is good, or the new one is not")
	}
}

func TestAccountsCannotBeAddedToABrokerWithoutAccounts(t *testing.T) {
	if run(t, t.TempDir(), nil).Set(press()) == nil {
		t.Error("an account was set")
	}
	b := run(t, t.TempDir(), accounts())
	for _, a := range []broker.Account{{}, {User: "x", As: broker.AsMachine, Machine: "x"}, {User: "x", Password: "y"},
		{User: "x", Password: "y", As: broker.AsMachine, Machine: "ack"}} {
		if b.Set(a) == nil {
			t.Errorf("%+v was set", a)
		}
	}
}
