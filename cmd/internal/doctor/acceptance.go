package doctor

import (
	"errors"
	"io/fs"
	"time"

	"portillon/cmd/internal/acceptance"
	"portillon/policy"
)

// Accepted returns the protocol of the last acceptance test, whether passed or failed, and the fingerprint of the
// present machine.yaml. If the machine has not been tested, the error is fs.ErrNotExist.
type Accepted func() (last acceptance.Protocol, wiring string, err error)

// checkAccepted checks that the machine has passed its acceptance test with the present wiring. If the machine has not
// been tested, the finding's state is Unknown; if the test failed, the state is Ill.
func (x *exam) checkAccepted() {
	if x.s.Accepted == nil || x.c.Simulated() {
		return
	}
	cure := t("La machine débranchée, une lampe à sa place : sudo portillon setup",
		"With the machine unplugged and a lamp in its place: sudo portillon setup")
	switch last, wiring, err := x.s.Accepted(); {
	case errors.Is(err, fs.ErrPermission):
		x.addFinding("acceptance", Unknown, t("Les protocoles d’essai de réception ne sont pas lisibles",
			"The protocols of the acceptance test cannot be read"), t("Relancer avec sudo", "Run again with sudo"))
	case errors.Is(err, fs.ErrNotExist):
		x.addFinding("acceptance", Unknown, t("Aucun essai de réception n’a été fait",
			"No acceptance test has been done"), cure)
	case err != nil:
		x.addFinding("acceptance", Unknown, tf("L’essai de réception ne se vérifie pas : %v",
			"The acceptance test cannot be verified: %v", err), cure)
	case last.Wiring != wiring:
		x.addFinding("acceptance", Unknown, tf("Le fichier de la machine a changé depuis l’essai de réception du %s",
			"The machine’s file has changed since the acceptance test of %s", last.Ended.Format(time.DateOnly)),
			cure)
	case !last.Passed():
		x.addFinding("acceptance", Ill, tf("L’essai de réception du %s n’est pas réussi : %d étape(s) en échec",
			"The acceptance test of %s was not passed: %d step(s) failed", last.Ended.Format(time.DateOnly),
			last.Count(acceptance.Failed)), cure)
	case last.Count(acceptance.Skipped) > 0:
		x.addFinding("acceptance", Well, tf("Essai de réception réussi le %s, %d étape(s) laissée(s) de côté",
			"Acceptance test passed on %s, %d step(s) skipped", last.Ended.Format(time.DateOnly),
			last.Count(acceptance.Skipped)), policy.Text{})
	default:
		x.addFinding("acceptance", Well, tf("Essai de réception réussi le %s", "Acceptance test passed on %s",
			last.Ended.Format(time.DateOnly)), policy.Text{})
	}
}
