package tinkertest

import (
	"net/http"
	"time"
)

// PendingForm is how a server says that a promise is not kept yet.
type PendingForm int

// The forms.
const (
	Timeout      PendingForm = iota // 408 with a detail
	TimeoutQueue                    // 408 with queue_state
	TryAgain                        // 200 with type try_again and queue_state
)

// ErrorForm is how a server says that an operation failed.
type ErrorForm int

// The forms.
const (
	Detail400        ErrorForm = iota // 400 {"detail": …}
	Future422                         // 422 {"detail": "Future failed: …"}
	Error200                          // 200 {"error": …, "category": …}
	RequestFailed400                  // 400 {"type": "RequestFailedResponse", "error_message": …}
)

// Naming is the shape of a server's ids.
type Naming int

// The shapes.
const (
	Short  Naming = iota // model_1a2b3c4d, and promises that are counted
	UUIDs                // all ids are UUIDs
	Nested               // a model is session:train:number
)

// Loss is a loss that a server takes.
type Loss struct {
	Low, High, Beta float64 // what holds where the request says nothing
	Refused         string  // the promise fails with that
}

// Habits are what servers differ in, as data. A test may change any of them.
type Habits struct {
	Name      string
	Reduction Reduction
	Losses    map[string]Loss
	// WeightedRL: weights count in the losses of reinforcement learning, too.
	WeightedRL bool
	// Silent: what makes no sense is computed, or is NaN: lengths, tokens, numbers, names.
	Silent bool
	// MaxRank is that of an adapter, Capacity the number of models plus one; 0 = any number.
	MaxRank, Capacity int

	Created, Promised int // statuses of what was made and of promises
	Naming            Naming
	Pending           PendingForm
	Failure           ErrorForm
	ReadOnce          bool // a result is gone once it was read

	// JSONIfAsked: results are JSON where Accept does not name protobuf. They are protobuf
	// always where this is false.
	JSONIfAsked bool
	OutputType  string // of a result; the loss's name where this is empty
	Elementwise bool   // results have elementwise_loss
	LossMetric  bool   // results have loss:sum
	StepMetrics bool   // optim_step says grad_norm and learning_rate
	NullPrompt  bool   // prompt_logprobs begin with an unknown one; else they are one fewer
	TopK        bool   // topk_prompt_logprobs are known
	ClipNorm    bool   // grad_clip_norm is honoured
	StopLists   bool   // stop is a list, never one text

	UnloadTakesSeq bool // unload_model takes seq_id
	Ordered        bool // operations run in the order of seq_id, gaps are waited for
	LoadsFirst     bool // load_weights is refused after any other request of the model, the first try of this one too
	DecaysAll      bool // a step's weight decay is on all models that the server holds
	// Deduped are kinds of requests of which a second with the seq_id and the content of the
	// first gets the same promise. Other content is a conflict.
	Deduped []string
	// Durable: sessions and the names of models outlive a restart, so that an operation of a
	// model that is gone fails as a promise. They are unknown where this is false.
	Durable bool
	// SessionTimeout is how long a session lives without a heartbeat; 0 = forever.
	SessionTimeout time.Duration
	SamplerFolder  bool   // the path of a sampler's weights has sampler_weights in it
	Root           string // what GET / says; 404 where this is empty
	Config         string // what client/config says; 404 where this is empty
	NamesLosses    bool   // a loss that is none is refused at once, with the names of those that are
}

// training are the requests that have a place in a model's sequence.
var training = []string{"forward", "forward_backward", "optim_step"}

// sequenced are all requests that have a seq_id of a model.
var sequenced = []string{"forward", "forward_backward", "optim_step", "save_weights", "save_weights_for_sampler", "load_weights"}

// careful are all that have one.
var careful = append([]string{"asample"}, sequenced...)

// skyrlLosses are the names that SkyRL takes.
var skyrlLosses = []string{"cross_entropy", "importance_sampling", "ppo", "gspo", "cispo", "ppo_critic", "dppo"}

// SkyRL are the habits of SkyRL 0.4.0 with its jax backend.
func SkyRL() Habits {
	clip := Loss{Low: 0.8, High: 1.2}
	return Habits{
		Name: "skyrl", Reduction: Mean, WeightedRL: true, Silent: true, MaxRank: 32, Capacity: 16,
		Losses: map[string]Loss{"cross_entropy": clip, "importance_sampling": clip, "ppo": clip, "cispo": clip,
			"gspo":       {Refused: "Loss functions ['gspo'] are not supported by the JAX backend"},
			"dppo":       {Refused: "Loss functions ['dppo'] are not supported by the JAX backend"},
			"ppo_critic": {Refused: "ppo_critic is only supported by the SkyRL-Train backend"}},
		Created: http.StatusOK, Promised: http.StatusOK, Naming: Short, Pending: Timeout, Failure: Detail400,
		OutputType: "scalar", Elementwise: true, StepMetrics: true, StopLists: true,
		UnloadTakesSeq: true, Deduped: training, Durable: true, SessionTimeout: 300 * time.Second, NamesLosses: true,
		LoadsFirst: true, DecaysAll: true,
		Root: `{"name":"Tinker API Mock","version":"0.0.1"}`, Config: `{"pjwt_auth_enabled":false}`,
	}
}

// TuFT are the habits of TuFT 0.2.2.
func TuFT() Habits {
	return Habits{
		Name: "tuft", Reduction: Sum, Losses: summed(Loss{Low: 0.8, High: 1.2}, 0.01), MaxRank: 32,
		Created: http.StatusCreated, Promised: http.StatusAccepted, Naming: UUIDs, Pending: TryAgain, Failure: Future422,
		JSONIfAsked: true, LossMetric: true, NullPrompt: true,
		Deduped: careful, SamplerFolder: true, Config: `{"pjwt_auth_enabled":false}`,
	}
}

// Hosted are the habits of the hosted service, as its SDK and documents have them: nobody ran
// it to write them down.
func Hosted() Habits {
	return Habits{
		Name: "hosted", Reduction: Sum, Losses: summed(Loss{Low: 0, High: 4}, 0.01), MaxRank: 128,
		Created: http.StatusOK, Promised: http.StatusOK, Naming: Nested, Pending: TryAgain, Failure: Error200,
		JSONIfAsked: true, LossMetric: true, NullPrompt: true, TopK: true, ClipNorm: true,
		UnloadTakesSeq: true, Ordered: true, Deduped: careful, SamplerFolder: true,
		Config: `{"pjwt_auth_enabled":false,"fwdbwd_max_chunk_len":1024,"fwdbwd_max_chunk_bytes_count":5000000}`,
	}
}

// summed is the table of the losses that sum up.
func summed(cispo Loss, beta float64) map[string]Loss {
	return map[string]Loss{"cross_entropy": {}, "importance_sampling": {}, "ppo": {Low: 0.8, High: 1.2}, "cispo": cispo, "dro": {Beta: beta}}
}

// Era is what the protocol's generation takes for forward_backward.
type Era struct {
	Protobuf, JSON bool // which bodies
	Refusal        int  // the status of a body that is not taken
	Forward        bool // /api/v1/forward is there
}

// The eras. Results are JSON where requests cannot be protobuf.
var (
	ProtobufOnly = Era{Protobuf: true, Refusal: http.StatusUnsupportedMediaType}
	JSONOnly     = Era{JSON: true, Refusal: http.StatusUnprocessableEntity, Forward: true}
	JSONCrashes  = Era{JSON: true, Refusal: http.StatusInternalServerError, Forward: true}
	BothEras     = Era{Protobuf: true, JSON: true, Forward: true}
)
