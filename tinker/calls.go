package tinker

import "encoding/json"

// The paths of the protocol, below the server's address.
const (
	PathHealth                = "/api/v1/healthz"
	PathClientConfig          = "/api/v1/client/config"
	PathCreateSession         = "/api/v1/create_session"
	PathHeartbeat             = "/api/v1/session_heartbeat"
	PathCapabilities          = "/api/v1/get_server_capabilities"
	PathCreateModel           = "/api/v1/create_model"
	PathUnloadModel           = "/api/v1/unload_model"
	PathGetInfo               = "/api/v1/get_info"
	PathRetrieveFuture        = "/api/v1/retrieve_future"
	PathForward               = "/api/v1/forward" // the JSON era's; protobuf has forward_only
	PathForwardBackward       = "/api/v1/forward_backward"
	PathOptimStep             = "/api/v1/optim_step"
	PathSaveWeights           = "/api/v1/save_weights"
	PathSaveWeightsForSampler = "/api/v1/save_weights_for_sampler"
	PathLoadWeights           = "/api/v1/load_weights"
	PathWeightsInfo           = "/api/v1/weights_info"
	PathCreateSamplingSession = "/api/v1/create_sampling_session"
	PathSample                = "/api/v1/asample"
)

// The types of bodies, and the era of the protocol that a client says it speaks.
const (
	TypeProto  = "application/x-protobuf"
	TypeJSON   = "application/json"
	SDKVersion = "0.25.0"
)

// ClientConfigRequest asks what the server wants of clients.
type ClientConfigRequest struct {
	SDKVersion string `json:"sdk_version"`
}

// ClientConfig is what a server wants of clients. What it does not say is null.
type ClientConfig struct {
	TokenAuth     *bool `json:"pjwt_auth_enabled,omitempty"`
	CompressProto *bool `json:"proto_compress_fwdbwd,omitempty"`
	ChunkDatums   *int  `json:"fwdbwd_max_chunk_len,omitempty"`
	ChunkBytes    *int  `json:"fwdbwd_max_chunk_bytes_count,omitempty"`
	WriteProto    *bool `json:"proto_write_fwdbwd,omitempty"`
}

// CreateSessionRequest begins a session.
type CreateSessionRequest struct {
	Tags         []string          `json:"tags"`
	UserMetadata map[string]string `json:"user_metadata"`
	SDKVersion   string            `json:"sdk_version"`
	Type         string            `json:"type"` // create_session
}

// CreateSessionResponse names it.
type CreateSessionResponse struct {
	Type           string `json:"type"`
	SessionID      string `json:"session_id"`
	InfoMessage    string `json:"info_message"`
	WarningMessage string `json:"warning_message"`
	ErrorMessage   string `json:"error_message"`
}

// HeartbeatRequest says that a session's client is there.
type HeartbeatRequest struct {
	SessionID string `json:"session_id"`
	Type      string `json:"type"` // session_heartbeat
}

// LoRAConfig is the shape of an adapter. Rank 0 asks for all weights.
type LoRAConfig struct {
	Rank         int    `json:"rank"`
	Seed         *int64 `json:"seed,omitempty"`
	TrainUnembed bool   `json:"train_unembed"`
	TrainMLP     bool   `json:"train_mlp"`
	TrainAttn    bool   `json:"train_attn"`
}

// CreateModelRequest makes a model of a base.
type CreateModelRequest struct {
	SessionID  string     `json:"session_id"`
	ModelSeqID int        `json:"model_seq_id"`
	BaseModel  string     `json:"base_model"`
	LoRA       LoRAConfig `json:"lora_config"`
	Type       string     `json:"type"` // create_model
}

// ModelRequest is get_info and unload_model.
type ModelRequest struct {
	ModelID string `json:"model_id"`
	Type    string `json:"type"`
}

// ModelResult is what becomes of create_model and unload_model.
type ModelResult struct {
	ModelID string `json:"model_id"`
	Type    string `json:"type,omitempty"`
	Status  string `json:"status,omitempty"`
}

// ModelInfo answers get_info.
type ModelInfo struct {
	ModelID   string `json:"model_id"`
	ModelName string `json:"model_name,omitempty"`
	IsLoRA    *bool  `json:"is_lora,omitempty"`
	LoRARank  *int   `json:"lora_rank,omitempty"`
	Data      struct {
		Arch      string `json:"arch,omitempty"`
		BaseModel string `json:"base_model,omitempty"`
		ModelName string `json:"model_name,omitempty"`
		Tokenizer string `json:"tokenizer_id,omitempty"`
		LoRA      *struct {
			Rank int `json:"rank"`
		} `json:"lora_config,omitempty"`
	} `json:"model_data"`
}

// Capabilities answers get_server_capabilities.
type Capabilities struct {
	Models []struct {
		Name    string `json:"model_name"`
		Context int    `json:"max_context_length,omitempty"`
	} `json:"supported_models"`
}

// Promise answers what takes long: the result is asked for by its id.
type Promise struct {
	RequestID string `json:"request_id"`
	ModelID   string `json:"model_id,omitempty"`
}

// RetrieveFutureRequest asks for a promise's result.
type RetrieveFutureRequest struct {
	RequestID         string `json:"request_id"`
	AllowMetadataOnly bool   `json:"allow_metadata_only"`
}

// Pending answers, with TypeTryAgain, that a result is not there yet.
type Pending struct {
	Type        string `json:"type"`
	QueueState  string `json:"queue_state,omitempty"`
	QueueReason string `json:"queue_state_reason,omitempty"`
}

// TypeTryAgain is the type of Pending.
const TypeTryAgain = "try_again"

// Failure answers, with status 200, that an operation failed for good.
type Failure struct {
	Error    string `json:"error"`
	Category string `json:"category,omitempty"` // user, server, unknown and others
}

// Refusal answers with a status of 400 and more: a text, or FastAPI's list of what is
// wrong with which field.
type Refusal struct {
	Detail json.RawMessage `json:"detail"`
}

// AdamParams are the optimiser's.
type AdamParams struct {
	LearningRate float64 `json:"learning_rate"`
	Beta1        float64 `json:"beta1"`
	Beta2        float64 `json:"beta2"`
	Eps          float64 `json:"eps"`
	WeightDecay  float64 `json:"weight_decay"`
	GradClipNorm float64 `json:"grad_clip_norm"`
}

// OptimStepRequest steps with the gradients that were summed up.
type OptimStepRequest struct {
	ModelID string     `json:"model_id"`
	SeqID   int        `json:"seq_id"`
	Adam    AdamParams `json:"adam_params"`
	Type    string     `json:"type"` // optim_step
}

// OptimStepResult is what it measured. TuFT measures nothing.
type OptimStepResult struct {
	Metrics Metrics `json:"metrics"`
}

// SaveWeightsRequest saves weights and the optimiser's state under a name.
type SaveWeightsRequest struct {
	ModelID   string `json:"model_id"`
	Path      string `json:"path"`
	SeqID     int    `json:"seq_id"`
	TTL       *int   `json:"ttl_seconds,omitempty"`
	Overwrite bool   `json:"overwrite"`
	Type      string `json:"type"` // save_weights
}

// SaveForSamplerRequest saves weights for sampling: under a name, or for a sampling
// session alone.
type SaveForSamplerRequest struct {
	ModelID              string  `json:"model_id"`
	Path                 *string `json:"path,omitempty"`
	SamplingSessionSeqID *int    `json:"sampling_session_seq_id,omitempty"`
	SeqID                int     `json:"seq_id"`
	TTL                  *int    `json:"ttl_seconds,omitempty"`
	Type                 string  `json:"type"` // save_weights_for_sampler
}

// SaveResult says where weights are, as one of the two.
type SaveResult struct {
	Path              *string `json:"path"`
	SamplingSessionID *string `json:"sampling_session_id,omitempty"`
	Type              string  `json:"type,omitempty"`
}

// LoadWeightsRequest loads saved weights into a new model.
type LoadWeightsRequest struct {
	ModelID   string `json:"model_id"`
	Path      string `json:"path"`
	SeqID     int    `json:"seq_id"`
	Optimizer bool   `json:"optimizer"`
	Type      string `json:"type"` // load_weights
}

// WeightsInfoRequest asks what a path holds.
type WeightsInfoRequest struct {
	Path string `json:"tinker_path"`
}

// WeightsInfo is what a path holds.
type WeightsInfo struct {
	BaseModel string `json:"base_model"`
	IsLoRA    bool   `json:"is_lora"`
	LoRARank  int    `json:"lora_rank"`
}

// SamplingSessionRequest names the weights of a sampling session: one of the two.
type SamplingSessionRequest struct {
	SessionID            string `json:"session_id"`
	SamplingSessionSeqID int    `json:"sampling_session_seq_id"`
	BaseModel            string `json:"base_model,omitempty"`
	ModelPath            string `json:"model_path,omitempty"`
	Type                 string `json:"type"` // create_sampling_session
}

// SamplingSessionResponse names it.
type SamplingSessionResponse struct {
	SamplingSessionID string `json:"sampling_session_id"`
	Type              string `json:"type,omitempty"`
}

// SamplingParams say how tokens are drawn.
type SamplingParams struct {
	MaxTokens   int      `json:"max_tokens"`
	Seed        *int64   `json:"seed,omitempty"`
	Stop        []int32  `json:"stop,omitempty"` // tokens
	Temperature *float64 `json:"temperature,omitempty"`
	TopK        *int     `json:"top_k,omitempty"`
	TopP        *float64 `json:"top_p,omitempty"`
}

// SampleRequest asks for replies to one prompt.
type SampleRequest struct {
	SamplingSessionID  string         `json:"sampling_session_id"`
	SeqID              int            `json:"seq_id"`
	NumSamples         int            `json:"num_samples"`
	Prompt             ModelInput     `json:"prompt"`
	Params             SamplingParams `json:"sampling_params"`
	PromptLogProbs     bool           `json:"prompt_logprobs"`
	TopKPromptLogProbs int            `json:"topk_prompt_logprobs"`
	Type               string         `json:"type"` // sample
}
