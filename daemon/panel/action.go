package panel

// Action names what a touch, an offered button or a form does. The zero Action does nothing.
type Action string

// Actions that need a touch and nothing more.
const (
	TakeRole   Action = "role"      // Arg: the role
	Extend     Action = "extend"    // make the session longer
	PowerOff   Action = "power-off" // open the relay during a maintenance
	Untag      Action = "untag"     // Arg: the tag
	Vouch      Action = "vouch"     // Items: what the learner did well
	Confirm    Action = "confirm"   // Arg: the form that was sent from a phone
	Deny       Action = "deny"      // Arg: likewise
	Attest     Action = "attest"    // Arg: the intervention
	Decline    Action = "decline"   // Arg: likewise
	OpenLog    Action = "log"       // opens the form of an intervention
	OpenReport Action = "report"    // opens the form of a problem
	OpenTag    Action = "tag"       // opens the form that puts the machine out of service
)
