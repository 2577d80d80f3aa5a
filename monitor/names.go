// Package monitor derives signals from updates and episodes. Everything in it
// is a pure function: it runs live, on old runs, and in tests on scripted ones.
package monitor

// Names of the metrics in ballast.Update.Metrics. They follow TRL and verl where
// those have a name for the thing. Shares are in [0,1], log-probabilities and
// entropies in nats, times in seconds.
const (
	RewardMean  = "reward/mean"        // over scored episodes
	RewardStd   = "reward/std"         // unbiased, over the same
	RewardMin   = "reward/min"         // the least of the same
	RewardLow   = "reward/low"         // median of those below the mean: what a bad episode earns; not there where all are equal
	RewardHigh  = "reward/high"        // median of the others, likewise
	Replies     = "replies"            // number of replies that the shares below are of
	SuccessMean = "success/mean"       // share of episodes that pass every check
	ZeroSpread  = "groups/zero_spread" // share of groups whose rewards are all equal
	Infra       = "episodes/infra"     // episodes left out for infrastructure

	// Where groups are chosen before they are learnt from (signal dynamic); what an update
	// played is counted in all other metrics of episodes.
	GroupsPlayed  = "groups/played"
	GroupsKept    = "groups/kept"     // that made the batch
	GroupsLeftOut = "groups/left_out" // the others
	GroupsMissing = "groups/missing"  // how many the batch has too few: the bound was reached
	Rounds        = "groups/rounds"   // times that groups were drawn, 1 or more
	TokensLeftOut = "tokens/left_out" // sampled in groups that were left out

	KindPrefix = "reply/" // + ballast.ReplyKind: share of replies
	// UnreadSyntax is the share of replies that hold a call in a syntax that no format
	// reads: for the format they are prose or another syntax.
	UnreadSyntax = "calls/unread"
	ReasonFor    = "reason/" // + format.Reason: share of replies
	// TransitionFrom + form + "/" + form: of the replies that followed one of the
	// first form in their episode, the share in the second.
	TransitionFrom = "transition/"
	StopPrefix     = "stop/" // + ballast.Stop: share of episodes
	CutShare       = "cut/share"

	EntropyMean = "entropy/mean"

	// KL and KLControl are not there with rl.kl = 0: the reference then covers no
	// token, or with signal control those tokens alone, as KLOnControl says.
	KL            = "kl/mean"         // k3 against the reference, on the policy's tokens
	KLControl     = "kl/control"      // share of the sum of k3 that control tokens carry
	KLOnControl   = "kl/control_mean" // k3 against the reference, mean over control tokens
	LossPolicy    = "loss/policy"
	LossOffPolicy = "loss/offpolicy"
	LossCE        = "loss/cross_entropy"
	LossReference = "loss/reference"
	Loss          = "loss" // sum of the terms
	// KLOld is k1 against the old log-probabilities, on the policy's tokens, over all minibatches: how
	// far an update moves. The old ones are the sampler's, or with signal importance the learner's own.
	KLOld          = "kl/old"
	RatioMean      = "ratio/mean"
	RatioMax       = "ratio/max"
	EntropyTrained = "entropy/trained" // of the learner, on trained tokens
	ClipFraction   = "clip_fraction"
	GradNorm       = "grad_norm"
	NonFinite      = "nonfinite" // optimiser steps skipped for a non-finite gradient
	// The gap between sampler and learner, see Mismatch: d is the learner's log-probability of a
	// sampled token, before the learner moves, minus the sampler's.
	GapMean       = "logprob_gap/mean"   // mean of |d|
	GapMax        = "logprob_gap/max"    // largest |d|
	GapK1         = "logprob_gap/k1"     // mean of -d, which estimates KL(sampler || learner)
	GapK3         = "logprob_gap/k3"     // mean of exp(d) - 1 - d, the same and never negative
	GapShare      = "logprob_gap/share"  // share of tokens whose probabilities differ by more than GapMuch
	GapTokens     = "logprob_gap/tokens" // tokens that were compared
	GapReply      = "logprob_gap/reply/" // + replies + /mean and so on: of these replies of an episode, see GapPlaces
	LearningRate  = "lr"
	EpisodeLength = "len/episode" // tokens after the prompt
	ReplyLength   = "len/reply"   // tokens of a reply
	PromptLength  = "len/prompt"
	Turns         = "turns/mean" // closed user turns of an episode
	Calls         = "calls/mean" // calls of an episode
	ToolCallRate  = "calls/rate" // share of replies that are healthy calls
	WatchPrefix   = "watch/"     // + token + WatchStart or WatchAll: mean probability
	WatchStart    = "/start"     // at the first token of a reply
	WatchAll      = "/all"       // at every sampled token
	// IllegalMass is the probability of all watched tokens that the format's
	// automaton forbids, mean over sampled tokens; IllegalAt + token + "/" + place
	// is one token's at one place; IllegalReplies is the share of replies that
	// hold a forbidden control token.
	IllegalMass    = "illegal/mean"
	IllegalReplies = "illegal/replies"
	IllegalAt      = "illegal/"
	// GradPrefix + token + GradSelf or GradOther is the policy-gradient push on
	// the token's logit, sum of A (1[token sampled] - p) over positions where it
	// was and was not sampled, over the number of sampled tokens.
	GradPrefix = "logit_grad/"
	GradSelf   = "/self"
	GradOther  = "/other"
	// On the same prefixes, of some episodes: + token + "/" + place, the reference's
	// mean probability, and by how much the policy's is above it; and the same of
	// all forbidden control tokens together.
	ReferenceWatch   = "watch_ref/"
	LiftWatch        = "watch_lift/"
	ReferenceIllegal = "illegal_ref/mean"
	LiftIllegal      = "illegal_lift/mean"
	TokensSampled    = "tokens/sampled"
	TokensTrained    = "tokens/trained" // with a weight in some term
	// TokensSupervised counts those of demonstrations and reflections among the trained.
	TokensSupervised = "tokens/supervised"
	TokensComputed   = "tokens/computed" // real tokens the learner computed
	TokensPadded     = "tokens/padded"   // padding the learner computed
	TokensReal       = "tokens/real"     // tokens of all samples, shared prefixes each time
	TokensSaved      = "tokens/saved"    // tokens not computed again: real - computed
	SecondsRollout   = "seconds/rollout"
	SecondsTrain     = "seconds/train"
	EvalSuccess      = "eval/success"
	GoldSuccess      = "gold/success"   // of the gold episodes in the groups
	HintedSuccess    = "hinted/success" // of the hinted ones; neither counts elsewhere
	HintsLost        = "hints/lost"     // tasks for which the judge wrote none
	// Importance weights (signal importance), of tokens or of episodes, after the cap.
	ImportanceMean      = "importance/mean"
	ImportanceMin       = "importance/min"
	ImportanceMax       = "importance/max"
	ImportanceCapped    = "importance/capped"    // share of them at the cap
	ImportanceESS       = "importance/ess"       // effective sample size, as a share: (sum w)^2 / (n sum w^2)
	ImportanceGeometric = "importance/geometric" // mean over episodes of the weight that exp of the mean of d would be; level sequence
)
