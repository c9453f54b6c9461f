// Package analysis answers questions about a whole policy, where package policy answers one tap: who may use a machine
// (Who, Rights), what a change of policy gives and takes (Compare, CompareMembers, Uncompared), whether a rule under
// never: can be broken (Breaches), which rules nobody means (Warnings), whether the laws of every policy hold (Prove),
// and what another policy would have answered in the past (Replay).
//
// Every answer comes from policy.Decide: the package lists the cases that a policy tells apart and decides each one. A
// case is a level in each of several chains (a badge: not held, held and old, held and fresh; a quota: unused, used up)
// at a time slot, which stands for all moments at which no rule on time changes its mind. A machine with more than
// maxCases cases is not analysed in part: the error is a *Flaw.
//
// The hub and the command line use this package. The daemon does not.
package analysis
