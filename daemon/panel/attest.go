package panel

import (
	"fmt"

	"portillon/policy"
)

// The texts of this file are the question to an endorser and the messages that follow.

// Attested returns the view that thanks an endorser.
func Attested(name string, kind policy.Text) View {
	return View{Sign: SignThanks,
		Line: policy.Text{
			FR: "Attesté par " + name + " : " + lower(kind.In(policy.French)),
			EN: "Endorsed by " + name + ": " + lower(kind.In(policy.English)),
		}}
}

// EndorseQuestion returns the question to an endorser about an intervention that was logged in their session. The
// button below the question names the intervention.
func EndorseQuestion(endorser, by string) policy.Text {
	return policy.Text{
		FR: endorser + ", attester ce que " + by + " a fait ?",
		EN: endorser + ", endorse what " + by + " did?",
	}
}

// WaitsForEndorser returns the note that names the endorser whose card is needed. runs reports whether their session is
// still running. If so, the endorser's card also ends that session.
func WaitsForEndorser(endorser string, runs bool) policy.Text {
	if runs {
		return policy.Text{
			FR: "À la fin, " + endorser + " présente sa carte et atteste l’intervention ici",
			EN: "At the end, " + endorser + " taps their card and endorses the intervention here",
		}
	}
	return policy.Text{
		FR: endorser + " : présentez votre carte pour attester une intervention",
		EN: endorser + ": tap your card to endorse an intervention",
	}
}

// OfferAttest returns the button that confirms the intervention id. minutes is its logged duration; 0: none was logged.
func OfferAttest(id string, kind policy.Text, minutes int) Offer {
	long := ""
	if minutes > 0 {
		long = fmt.Sprintf(" (%d min)", minutes)
	}
	return Offer{
		Do:  "attest",
		Arg: id,
		Label: policy.Text{
			FR: "Attester : " + lower(kind.In(policy.French)) + long,
			EN: "Endorse: " + lower(kind.In(policy.English)) + long,
		},
	}
}

// OfferDecline returns the button that declines to endorse the intervention id.
func OfferDecline(id string) Offer {
	return Offer{Do: "decline", Arg: id, Label: policy.Text{FR: "Ne pas attester", EN: "Do not endorse"}}
}

// TooManyMinutes returns the refusal of a form whose minutes exceed the duration of the session, most.
func TooManyMinutes(most int) Refusal {
	return Refusal{
		FR: fmt.Sprintf("La session a duré %d min : pas plus", most),
		EN: fmt.Sprintf("The session lasted %d min: no more than that", most),
	}
}
