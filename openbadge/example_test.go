package openbadge_test

import (
	"fmt"
	"time"

	"portillon/openbadge"
)

func Example() {
	key, _ := openbadge.GenerateKey("an example")
	badge, _ := openbadge.IssueJWT(openbadge.Draft{
		Achievement: openbadge.Achievement{ID: "https://lab.example/achievements/laser", Name: "Découpe laser"},
		Email:       "lea@lab.example",
		ValidFrom:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}, key)

	v := openbadge.Verify(badge, openbadge.Options{
		Trust: []openbadge.Issuer{{ID: key.DID(), Keys: []string{key.DID()}}},
		At:    time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
	})
	fmt.Println(v.State, v.Badge.AchievementName, v.Badge.IsFor(openbadge.Recipient{Emails: []string{"Lea@lab.example"}}))
	// Output: valid Découpe laser true
}
