package tinker

import (
	"net/http"
	"strings"
	"testing"
)

// TestReplay: a session with answers as real servers gave them.
func TestReplay(t *testing.T) {
	for _, server := range []string{"skyrl-sdk", "skyrl", "tuft"} {
		t.Run(server, func(t *testing.T) {
			answers, refusals := map[string]recorded{}, 0 // the first good one of each question
			var asked *ForwardBackwardRequest
			exchanges(t, func(name string, e exchange) {
				if !strings.HasPrefix(name, server+" ") {
					return
				}
				key := e.Request.Path + " " + e.Of
				if _, known := answers[key]; e.Response.Status >= 300 || known {
					return
				}
				if answers[key] = e.Response; e.Request.Path == PathForwardBackward {
					asked = &ForwardBackwardRequest{}
					if err := asked.UnmarshalProto(e.Request.proto()); err != nil {
						t.Fatal(err)
					}
				}
			})
			f, of := newFake(t), ""
			f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
				key := r.URL.Path + " "
				if r.URL.Path == PathRetrieveFuture {
					key += of
				} else {
					of = r.URL.Path
				}
				a, ok := answers[key]
				if !ok {
					refusals++
					detail(w, 404, "Not Found")
					return true
				}
				for name, v := range a.Headers {
					w.Header().Set(name, v)
				}
				w.WriteHeader(a.Status)
				w.Write(append(a.json(), a.proto()...))
				return true
			}
			c, _ := f.dial(Options{Vocabulary: 700})
			m := must[*Model](t)(c.CreateModel(t.Context(), "base", LoRA(8)))
			out := must[*ForwardBackwardOutput](t)(m.ForwardBackward(t.Context(), asked.Data, asked.Loss, asked.Config).Wait())
			if lp, _ := out.Outputs[0].Get("logprobs"); len(out.Outputs) != len(asked.Data) || !(lp.Floats()[0] < -1) || m.c.Wire() != Proto {
				t.Errorf("%+v", out)
			}
			must[*OptimStepResult](t)(m.OptimStep(t.Context(), AdamParams{LearningRate: 1e-3}).Wait())
			if server == "skyrl-sdk" {
				s := must[*Sampler](t)(m.Sampler(t.Context()).Wait())
				got := must[*SampleResponse](t)(s.Sample(t.Context(), Prompt{Tokens: []int32{635, 10, 20, 30}, Samples: 2, MaxTokens: 8, Temperature: 1}).Wait())
				if len(got.Sequences[1].Tokens) != 8 || got.Sequences[1].StopReason != Length || len(got.Sequences[1].LogProbs) != 8 {
					t.Errorf("%+v", got)
				}
				must[string](t)(m.SaveWeights(t.Context(), "ck1").Wait())
				must[WeightsInfo](t)(c.WeightsInfo(t.Context(), "tinker://x/weights/ck1"))
			} else {
				must[string](t)(m.SaveForSampler(t.Context(), "w1").Wait())
			}
			if refusals > 1 { // client/config, where it was not asked for
				t.Errorf("%d questions without a recorded answer", refusals)
			}
		})
	}
}
