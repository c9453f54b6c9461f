package webtest

import (
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/publish"
)

// things adds the machines, policies and reports to a new test site.
func (s *Site) things() {
	up := enrol.Standing{Online: true, Seen: s.now.Add(-4 * time.Second), Phase: "idle", Program: "0.7.0", Bundle: 41,
		Wanted: 41, Clock: "trusted",
		Disk: "ok", Records: 18204, Held: 18204}
	laser, vinyl, fdm := up, up, up
	laser.Phase, laser.Session = "running", &enrol.Session{Member: "m-lea", Role: "user",
		Since: s.now.Add(-42 * time.Minute), Until: s.now.Add(90 * time.Minute)}
	vinyl.Tags = []enrol.Tag{{ID: "t-1", By: "Yann Kervella", Reason: "courroie usée", At: s.now.AddDate(0, 0, -9)}}
	vinyl.Bundle = 40
	fdm.Records, fdm.Held = 902, 880
	made := s.now.AddDate(0, -5, 0)
	s.machines = []enrol.Machine{
		{ID: "fdm", Version: 1, Enrolled: made, KeyHash: "77c1e09b5d3f2a80", Expires: s.now.AddDate(0, 2, 0), Standing: fdm},
		{ID: "laser", Version: 1, Enrolled: made, KeyHash: "9f86d081884c7d65", Expires: s.now.AddDate(0, 2, 0),
			Standing: laser},
		{ID: "vinyl", Version: 1, Enrolled: made, KeyHash: "2c26b46b68ffc68f", Expires: s.now.AddDate(0, 2, 0),
			Standing: vinyl},
	}
	s.directory.taps = []directory.Tap{
		{ID: "u-1", Machine: "laser", At: s.now.Add(-6 * time.Minute), Code: "K7QD2M", Format: "MIFARE DESFire", Times: 2,
			Assignable: true},
		{ID: "u-2", Machine: "fdm", At: s.now.Add(-26 * time.Hour), Code: "4XH9PA", Times: 1},
	}
	text := "portillon: 1\nsite: biklab\nlanguage: fr\nmachines:\n  laser:\n    grants:\n      - { role: user, needs: " +
		"laser-user }\n"
	s.policies = []publish.Policy{
		{Number: 2, Text: text, Comment: "horaires d'hiver", By: "adele@lab.example", At: s.now.AddDate(0, 0, -12),
			SignedBy: "biklab-policy", InForce: true},
		{Number: 1, Text: text + "  vinyl: {}\n", Comment: "première version", By: "olivia@lab.example",
			At: s.now.AddDate(0, -3, 0), SignedBy: "biklab-policy"},
	}
	s.access.tokens = []account.Token{{ID: "k-1", Name: "script de l'accueil", Scopes: []actor.Act{actor.ReadMembers,
		actor.ReadTaps}, Made: s.now.AddDate(0, -1, 0),
		Expires: s.now.AddDate(0, 2, 0), Used: s.now.Add(-3 * time.Hour)}}
	olivia := actor.Actor{Account: "a-olivia", Name: "olivia@lab.example"}
	s.log(olivia, actor.PublishPolicy, "policy 2", "in force: horaires d'hiver")
	s.log(olivia, actor.WriteMembers, "member m-lea", "changed until")
}
