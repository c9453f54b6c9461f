package policy_test

import "portillon/policy/policytest"

// These names are short for the models and generators of package policytest, which the tests of policy and of analysis
// share.
const (
	days      = policytest.Days
	theirUser = policytest.TheirUser
	theirAll  = policytest.TheirAll
)

type gen = policytest.Gen

var (
	monday     = policytest.Monday
	paris      = policytest.Paris
	mustHours  = policytest.MustHours
	wall       = policytest.At
	mustNew    = policytest.MustNew
	ruled      = policytest.Ruled
	ruledModel = policytest.SmallModel
	bearer     = policytest.Bearer
	accepts    = policytest.AcceptingModel
	accept     = policytest.WithAccepts
	french     = policytest.FrenchHolidays
	fortnight  = policytest.Fortnight
	date       = policytest.ParseDate
	crowd      = policytest.Crowd
	newGen     = policytest.NewGen
)
