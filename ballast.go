// Package ballast holds the words of the project: the plain types that every
// other package speaks in. It imports the standard library only and does no
// work; what a word means is said here once.
//
// The path of the data is task, rollout, credit, loss, train, monitor, runlog,
// report; docs/architecture.md follows one task along it.
package ballast

import "context"

// Owner says who wrote a token of a conversation. It is recorded when the token
// is made and never inferred later.
type Owner uint8

// The owners. Only Policy tokens were sampled; Gold tokens are a demonstration
// written into the conversation in the policy's place.
const (
	OwnerTemplate Owner = iota // role headers, separators, tool docs
	OwnerUser                  // text of the user
	OwnerTool                  // what a tool answered
	OwnerPolicy                // sampled by the policy
	OwnerGold                  // gold reply in the policy's place
)

// String returns the lower-case name of the owner.
func (o Owner) String() string {
	return [...]string{"template", "user", "tool", "policy", "gold"}[o]
}

// ReplyKind is the paper's classification of one reply (section 2, figure 1).
type ReplyKind uint8

// The four kinds of replies.
const (
	KindCall      ReplyKind = iota // complete, well-formed tool calls that end the reply; prose may come first
	KindResponse                   // natural language without tool-related residue
	KindPolluted                   // open tags, misplaced control tokens, bad bodies
	KindCollapsed                  // nothing but terminators or control tokens
)

// NumKinds is the number of kinds.
const NumKinds = 4

// String returns the lower-case name of the kind.
func (f ReplyKind) String() string {
	return [...]string{"call", "response", "polluted", "collapsed"}[f]
}

// Arg is one argument of a call. Name is empty for a positional argument.
// Value is one of the kinds of package value.
type Arg struct {
	Name  string
	Value any
}

// Call is one tool call as the policy or a gold answer wrote it; nothing in it
// has been checked against a schema.
type Call struct {
	Name string
	Args []Arg
}

// Param is one parameter of a tool.
type Param struct {
	Name     string
	Type     string // JSON schema type: string, integer, number, boolean, array, object
	Doc      string
	Required bool
	Enum     []string
}

// Tool is one function that a policy may call.
type Tool struct {
	Name   string
	Doc    string
	Params []Param
	// Schema is the documentation that prompts show, as an ordered value
	// (*value.Dict); nil means that it is built from the fields above.
	Schema any
	// ReadOnly says that calls of it change nothing, as far as its world tells. Graders and
	// generators of tasks read it; prompts do not show it.
	ReadOnly bool
}

// Message is one message of a conversation.
type Message struct {
	Role string // system, user or assistant
	Text string
}

// Task is one problem: a world in an initial state and a user who wants things of it
// over several turns. World, Grader and User are names in the tables of package env; ""
// is the first of each.
type Task struct {
	ID       string
	Set      string // task set it belongs to
	Source   string // where it is written, as FILE:LINE; "" where it is made
	Category string // kind of problem within the set
	World    string // where calls run
	Grader   string // what a turn is worth
	User     string // who speaks
	// APIs names the simulated APIs of the task, in order, and Variant the way in which
	// they start (world.API.New).
	APIs    []string
	Variant string
	// Init is the initial configuration, kinds of package value: what the world reads, of
	// simulated APIs by API.
	Init map[string]any
	// Tools documents the functions, held back ones included; nil: the world does, when the
	// task is prepared.
	Tools []Tool
	Turns []TaskTurn
	Hint  string // a hint that comes with the task; "" for none
	// Prompt is what a conversation begins with, where the task brings it: it stands for the system message,
	// the documentation of tools and the first turn's message. Format is the one of package chat/format in
	// which its replies are read; "" is that of whoever plays.
	Prompt []Message
	Format string
	// Words, where it is not nil, are the other words in which the task is asked for (package env/words): the fields
	// above are as the policy meets them.
	Words *Words
}

// Words are what a policy meets in place of a task's own words.
type Words struct {
	Own *Task // the task as its world, grader and user know it
	// Tools leads from the name of a tool to the one that the policy knows, and back. Params does the same for the
	// parameters of a tool, by the tool's own name.
	Tools  map[string]string
	Params map[string]map[string]string
}

// TaskTurn is one user message and its gold answer.
type TaskTurn struct {
	User   string   // empty at a turn that only reveals functions
	Gold   []Call   // one call a step; empty where nothing can be done yet
	Reply  string   // gold closing reply; empty means a templated one
	Reveal []string // functions held back until this turn
	// Want is what the task's grader wants of the turn beyond Gold, kinds of package value;
	// nil where the grader wants no more than Gold.
	Want any
}

// Stop says why an episode ended.
type Stop string

// The stops. Everything but StopInfra is the policy's doing and is scored;
// StopInfra is a broken machine: retried, then left out, never scored 0.
const (
	StopDone      Stop = "done"         // every user turn was closed by a reply
	StopTurns     Stop = "turn_budget"  // more replies than allowed
	StopTokens    Stop = "token_budget" // the episode's tokens are used up
	StopCut       Stop = "reply_cut"    // one reply ran into its own budget
	StopMalformed Stop = "malformed"    // a reply that is neither calls nor a response
	StopInfra     Stop = "infra"        // not the policy's fault
)

// Step is one reply of the policy and what the tools answered.
type Step struct {
	Start, End int       // token span of the reply in Episode.Tokens
	Text       string    // the reply, decoded with control tokens visible
	Said       string    // its prose alone, without calls, thoughts and control tokens; not kept in files
	Kind       ReplyKind //
	Reason     string    // why the kind; "" or unknown_tool for the healthy ones
	Calls      []Call    //
	Results    []string  // one per call that was executed
	Cut        bool      // ended by a budget; no end token was added
	Gold       bool      // written by the demonstration, not sampled
}

// Check is what a grader says of one closed turn. The zero value belongs to a turn that
// was not judged.
type Check struct {
	Done   bool    // the turn was closed and judged
	Passed bool    //
	Score  float64 // in [0,1]; 1 if it passed
	Reason string  // why it did not pass, one of the grader's words
	Where  string  // the first difference from what was wanted
}

// Finding is what else a grader has to say of an episode that has ended, beside its verdict. It changes no score.
type Finding struct {
	Of    string  // what the names of its kind say; "" is another measure of the whole
	Name  string  //
	Share float64 // in [0,1]; of what holds or does not, 1 or 0
}

// Turn is one user message and all that follows until the policy's final reply.
type Turn struct {
	User  string
	Steps []Step
	Check Check
}

// Score is what an episode earned.
type Score struct {
	Reward   float64 // what advantage is computed from
	Success  bool    // every turn passed and the turn counts agree (paper, section 1)
	FailTurn int     // first failing turn, -1 on success
	Reason   string  // the failing turn's, or turns, unanswered (package credit); "" on success
	Progress float64 // share of turns that passed before the first failure, with that turn's score, in [0,1]
	Format   float64 // share of replies of a healthy kind, in [0,1]
}

// Episode is one play of a task. The conversation is one growing list of
// tokens; the slices of per-token facts have its length.
type Episode struct {
	Task    string
	Group   int // index of the task in its update
	Sample  int // index in the group
	Seed    uint64
	Tokens  []int32
	Owners  []Owner
	LogProb []float32 // of sampled tokens, nats at temperature 1; 0 elsewhere
	Entropy []float32 // nats at sampled positions; nil if not recorded
	// Watch holds, for every sampled token in order, the policy's probability
	// of each watched control token at that position: [policy tokens][watched].
	Watch  [][]float32
	Prompt int // length of the first prompt, shared by the group
	Turns  []Turn
	Stop   Stop
	Error  string // what broke, for StopInfra, or when the session was closed
	Hinted bool
	Score  Score
}

// Term is one stream of the loss over one sample. Weight has the length of the
// sample's tokens (or is nil: the term is absent); Weight[i] belongs to
// predicting Tokens[i] from Tokens[:i]. Count is what the sample adds to the
// term's denominator: its number of weighted tokens for token-mean, 1 for
// sequence-mean with weights divided by that number. A weighted token may have
// weight 0 (a group without spread) and still counts.
type Term struct {
	Weight []float32
	Count  float64
}

// MaxTerms is the room that a sample has for terms; package loss says which there are.
const MaxTerms = 16

// Sample is what the learner sees: tokens and a weight per token for each term.
// Samples with the same Group share their first Prefix tokens, which lets the
// learner compute those once.
type Sample struct {
	Tokens     []int32
	Group      int
	Prefix     int
	Terms      [MaxTerms]Term // by their number in package loss
	OldLogProb []float32      // what the ratio is to: the sampler's log-probabilities; nil where no term needs them
	// NewLogProb, where it is not nil, has the length of Tokens. Update writes there the
	// log-probability of every token that has a weight, under the weights from before its
	// step, and leaves the others alone.
	NewLogProb []float32
}

// Stats is what one optimiser step reports. Keys are the metric names of
// package monitor (loss, grad_norm, kl, clip_fraction, ...).
type Stats map[string]float64

// Learner updates weights. It knows no algorithm.
type Learner interface {
	// Update takes one optimiser step on one minibatch of samples at learning
	// rate rate. A non-finite gradient leaves the weights alone and is
	// reported as stat "nonfinite". It fills in the samples' NewLogProb.
	Update(ctx context.Context, samples []Sample, rate float64) (Stats, error)
	// LogProbs returns the current log-probability of every token of each
	// sample given those before it; the first is 0.
	LogProbs(ctx context.Context, samples []Sample) ([][]float32, error)
	// Reference returns the reference policy's probability of each of ids at every token
	// of the samples that has a weight, given those before it: [sample][token][id], nil
	// where there is no weight, and nil without a reference. It changes nothing.
	Reference(ctx context.Context, samples []Sample, ids []int32) ([][][]float32, error)
	// Freeze makes the current weights the reference policy.
	Freeze() error
	// ResetOptimizer forgets the optimiser's moments and step count.
	ResetOptimizer() error
	// Save writes weights (a Hugging Face directory), optimiser and reference
	// below dir; Load restores exactly that state.
	Save(dir string) error
	Load(dir string) error
}

// Engine is what samples and learns; package engine opens one from a recipe.
type Engine interface {
	Policy() Policy
	// Learner is nil in an engine that was opened to sample only.
	Learner() Learner
	// Sync makes the policy sample with the learner's current weights.
	Sync(ctx context.Context) error
	// Close gives back what the engine holds.
	Close() error
}

// Sampling says how tokens are drawn. The zero value is greedy.
type Sampling struct {
	Temperature float64 // 0 = greedy
	TopP        float64 // 0 or 1 = off
	TopK        int     // 0 = off
}

// Request asks for the next reply in one conversation.
type Request struct {
	Append []int32 // tokens that the conversation grew by since the last reply
	Max    int     // most tokens to sample
	Stop   []int32 // a sampled stop token ends the reply and is part of it
	Seed   uint64  // of the conversation; the draw at position i depends on (Seed, i) only
	// Mask, if not nil, constrains the reply. A policy that cannot do so answers
	// with an Err, never with an unconstrained reply.
	Mask Mask
}

// Mask says which tokens one reply may go on with: constrained decoding. What is
// drawn follows the policy's distribution renormalised over the allowed tokens;
// recorded log-probabilities stay those of the policy. A mask sees the tokens of
// one reply in order and is used by one goroutine at a time.
type Mask interface {
	// Allows reports whether a token may come next.
	Allows(token int32) bool
	// Advance takes the token that came.
	Advance(token int32)
}

// Reply is what was sampled.
type Reply struct {
	Tokens  []int32
	LogProb []float32   // nats, of the untempered, untruncated distribution
	Entropy []float32   // nats
	Watch   [][]float32 // [len(Tokens)][watched] probabilities
	Err     error       // the policy could not answer (infrastructure)
	// Full says that the model's own context cut the reply, or has no room for one (then
	// there are no tokens), where the caller was not told how long the context is.
	Full bool
}

// Conversation is one side of a play: it says what was appended, and takes the
// reply. A conversation is used by one goroutine at a time.
type Conversation interface {
	// Wait returns nil when Next may be called. A conversation that waits for what is
	// outside the model, such as a slow tool, returns a channel instead, which is closed
	// when Next may be called. It is asked before every call of Next.
	Wait() <-chan struct{}
	// Next returns the next request, or false when the conversation is over.
	Next() (Request, bool)
	// Take hands over the reply to the last request.
	Take(Reply)
}

// Policy samples. Play drives all conversations until each is over, in any
// interleaving; the tokens of a conversation do not depend on the others.
// Conversations whose first requests begin with the same tokens share that work.
type Policy interface {
	Play(ctx context.Context, convs []Conversation, how Sampling) error
	// Watched returns the ids of the watched control tokens, in Watch order.
	Watched() []int32
}

// World is where the calls of a policy run: simulated APIs in memory, or a process on the
// other side of a pipe. It is used by many goroutines at a time.
type World interface {
	// Tools documents the functions that a task may call, where the task itself does not.
	Tools(ctx context.Context, t *Task) ([]Tool, error)
	// Open starts the task's initial state for one episode. The context lives until the
	// session was closed.
	Open(ctx context.Context, t *Task) (Session, error)
}

// Session is a world during one episode. It is used by one goroutine at a time, but for
// Close.
type Session interface {
	// Call runs one call and returns the text that the policy sees; what a policy does
	// wrong is answered in that text. An error is one of the machine: it ends the episode
	// as StopInfra. An answer that comes after the context has ended is dropped.
	Call(ctx context.Context, c Call) (string, error)
	// Close gives back what the session holds. After a call or a verdict that outlived its
	// context it may come while that still runs. A second Close, or a call after it, may
	// fail and does not panic.
	Close() error
}

// Grader says what a closed turn is worth. It sees one episode, turn by turn in order; an
// episode that ends in the middle of a turn leaves that one without a verdict, which fails.
type Grader interface {
	// Grade judges turn i of the episode so far, which it must not change. Done, and the
	// score of a turn that passed, are filled in. An error is one of the machine, and so is a
	// score outside of 0 to 1.
	Grade(ctx context.Context, ep *Episode, i int) (Check, error)
}

// User speaks in an episode. It sees one episode.
type User interface {
	// Next returns what the user says to open the next turn, or false when there is
	// nothing more to say. It must not change the episode. An error is one of the machine,
	// and so is a user who never says anything.
	Next(ctx context.Context, ep *Episode) (text string, more bool, err error)
}

// Update is the record of one optimiser update (never called a step).
type Update struct {
	Index   int     // from 1, over all phases
	Phase   string  // "rl", "sft", ...
	Seconds float64 // wall-clock of the update
	// Metrics by name; package monitor lists the names.
	Metrics map[string]float64
}
