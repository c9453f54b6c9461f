package panel

import (
	"fmt"

	"portillon/policy"
)

// What an endorser is asked, and what they and others read of it.

// Attested thanks an endorser.
func Attested(name string, kind policy.Text) View {
	return View{Sign: SignThanks,
		Line: policy.Text{
			FR: "Attesté par " + name + " : " + lower(kind.In(policy.French)),
			EN: "Endorsed by " + name + ": " + lower(kind.In(policy.English)),
		}}
}

// EndorseQuestion asks an endorser about an intervention that was logged in their session; the button below names it.
func EndorseQuestion(endorser, by string) policy.Text {
	return policy.Text{
		FR: endorser + ", attester ce que " + by + " a fait ?",
		EN: endorser + ", endorse what " + by + " did?",
	}
}

// WaitsForEndorser says whose card is wanted; runs says that their session is still under way, and that the card ends
// it.
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

// OfferAttest confirms the intervention id; minutes as it was logged, 0: it says none.
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

// OfferDecline drops the question.
func OfferDecline(id string) Offer {
	return Offer{Do: "decline", Arg: id, Label: policy.Text{FR: "Ne pas attester", EN: "Do not endorse"}}
}

// TooManyMinutes answers a form that says more than its session lasted.
func TooManyMinutes(most int) Refusal {
	return Refusal{
		FR: fmt.Sprintf("La session a duré %d min : pas plus", most),
		EN: fmt.Sprintf("The session lasted %d min: no more than that", most),
	}
}
