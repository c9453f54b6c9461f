package webtest

import (
	"portillon/hub/publish"
	"portillon/policy"
)

// replayOf returns a replay in which sessions would have been refused and no refusal was recorded.
func replayOf() *publish.Replay {
	return &publish.Replay{
		Sessions: publish.Replayed{Days: 90, Records: 1410, Changed: 23, Members: 2,
			Causes: []publish.ReplayCause{{Machine: "laser", Reason: policy.NotEnoughHours, Times: 21, Members: 2},
				{Machine: "laser", Reason: policy.OutsideHours, Times: 2, Members: 1}},
			People: []publish.ReplayPerson{{Member: "m-maud", Name: "Maud Pichon", Times: 20},
				{Member: "m-8d1f20", Times: 3}},
			NotReplayable: 57,
			Obstacles: []publish.ReplayUnknown{{Obstacle: "no-basis",
				Text: "la machine n’avait pas encore noté sur quoi reposait sa décision (programme plus ancien)", Times: 55},
				{Obstacle: "policy-missing", Text: "le hub n’a plus les règles d’accès de ce moment-là", Times: 2}}},
		Changes:  publish.Replayed{Days: 90, Records: 12, Changed: 1, Members: 1},
		Refusals: publish.Replayed{Days: 30},
	}
}
