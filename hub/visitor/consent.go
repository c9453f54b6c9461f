package visitor

import (
	"fmt"

	"portillon/policy"
)

// ConsentVersion is the version of the text of Consent. Increase ConsentVersion with each change of the text,
// because the database stores to which version a visitor consented.
const ConsentVersion = 1

// Consent returns the text to which a visitor consents. keep is the number of days after the visit for which the
// site keeps the visitor's data.
func Consent(keep int) policy.Text {
	return policy.Text{
		FR: fmt.Sprintf("J’accepte que ce lieu garde mon nom, mon adresse, mon badge et mes utilisations des machines "+
			"pendant ma visite et %d jours après, puis efface mes données. Je respecte les règles de chaque machine.", keep),
		EN: fmt.Sprintf("I agree that this site keeps my name, my address, my badge and my uses of machines during my "+
			"visit and for %d days after it, and then erases my data. I follow the rules of each machine.", keep),
	}
}
