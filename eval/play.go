package eval

import (
	"cmp"
	"context"

	"ballast"
	"ballast/env"
	"ballast/rollout"
)

// Player plays episodes, in any order, and returns them in order. It tells ended of each
// one that ended, perhaps from several goroutines; of one that broke too, and again if it
// plays it again.
type Player func(ctx context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error)

// PolicyPlayer plays with a policy. Tasks of a world that listens are played with a prompt that is written anew for every reply.
func PolicyPlayer(policy ballast.Policy, cfg rollout.Config, how ballast.Sampling) Player {
	return func(ctx context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		cfg := cfg // a player may be used by many
		cfg.Ended = ended
		table := cmp.Or(cfg.Env, &env.Builtin)
		var grow, anew part
		for i := range plays {
			if table.Listens(plays[i].Task) {
				anew.add(i, plays[i])
			} else {
				grow.add(i, plays[i])
			}
		}
		out := make([]ballast.Episode, len(plays))
		for _, p := range []struct {
			part
			by func(context.Context, ballast.Policy, rollout.Config, []rollout.Request, ballast.Sampling) ([]ballast.Episode, error)
		}{{grow, rollout.Run}, {anew, rollout.Anew}} {
			if len(p.plays) == 0 {
				continue
			}
			eps, err := p.by(ctx, policy, cfg, p.plays, how)
			if err != nil {
				return nil, err
			}
			for k, i := range p.at {
				out[i] = eps[k]
			}
		}
		return out, nil
	}
}

// part is some of the plays, and where they stand among all.
type part struct {
	at    []int
	plays []rollout.Request
}

func (p *part) add(at int, play rollout.Request) {
	p.at, p.plays = append(p.at, at), append(p.plays, play)
}
