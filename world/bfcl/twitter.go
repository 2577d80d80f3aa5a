package bfcl

import (
	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// twitterAPI is a TwitterAPI.
type twitterAPI struct {
	core
	username      any
	password      any
	authenticated any
	tweets        shared // int -> dict; never a configuration's, whose keys are text
	comments      shared // of a configuration by text, new ones by int
	retweets      shared // username -> list of ids
	following     shared
	counter       any
}

var emptyDict any = &value.Dict{} // never written to

var defaultFollowing any = value.NewList("alice", "bob")

// twitterFields are the attributes of a twitterAPI.
var twitterFields = fields[*twitterAPI]{
	{"username", func(s *twitterAPI) *any { return &s.username }, "john"},
	{"password", func(s *twitterAPI) *any { return &s.password }, "john123"},
	{"authenticated", func(s *twitterAPI) *any { return &s.authenticated }, false},
	{"tweets", func(s *twitterAPI) *any { return &s.tweets.v }, emptyDict},
	{"comments", func(s *twitterAPI) *any { return &s.comments.v }, emptyDict},
	{"retweets", func(s *twitterAPI) *any { return &s.retweets.v }, emptyDict},
	{"following_list", func(s *twitterAPI) *any { return &s.following.v }, defaultFollowing},
	{"tweet_counter", func(s *twitterAPI) *any { return &s.counter }, int64(0)},
}

func newTwitter(d *value.Dict, _ bool) *twitterAPI {
	s := &twitterAPI{}
	twitterFields.load(s, config{d})
	given := s.tweets.dict("items")
	mine := value.MakeDict(given.Len())
	for i := range given.Len() {
		k, v := given.At(i)
		mine.Set(toInt(k), v)
	}
	s.tweets = shared{mine, true}
	return s
}

// Call runs one call.
func (s *twitterAPI) Call(c ballast.Call) string { return twitterClass.call(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *twitterAPI) Copy() world.State {
	c := *s
	disown(&c.core, nil, &c.tweets, &c.comments, &c.retweets, &c.following)
	return &c
}

// Equal names the first attribute that differs.
func (s *twitterAPI) Equal(other world.State) string {
	return twitterFields.differ(s, other.(*twitterAPI), false)
}

// Dump returns the public attributes.
func (s *twitterAPI) Dump() any { return dump(s) }

func (s *twitterAPI) public() []any { return twitterFields.list(s) }

// twitterClass is the table of TwitterAPI. The two nil defaults of post_tweet
// stand for new empty lists.
var twitterClass = newClass("TwitterAPI",
	method[*twitterAPI]{name: "authenticate_twitter", params: []string{"username", "password"}, run: (*twitterAPI).authenticate},
	method[*twitterAPI]{name: "comment", params: []string{"tweet_id", "comment_content"}, run: (*twitterAPI).comment},
	method[*twitterAPI]{name: "follow_user", params: []string{"username_to_follow"}, run: (*twitterAPI).follow},
	method[*twitterAPI]{name: "get_tweet", params: []string{"tweet_id"}, run: (*twitterAPI).getTweet},
	method[*twitterAPI]{name: "get_tweet_comments", params: []string{"tweet_id"}, run: (*twitterAPI).tweetComments},
	method[*twitterAPI]{name: "get_user_stats", params: []string{"username"}, run: (*twitterAPI).userStats},
	method[*twitterAPI]{name: "get_user_tweets", params: []string{"username"}, run: (*twitterAPI).userTweets},
	method[*twitterAPI]{name: "list_all_following", run: (*twitterAPI).listFollowing},
	method[*twitterAPI]{name: "mention", params: []string{"tweet_id", "mentioned_usernames"}, run: (*twitterAPI).mention},
	method[*twitterAPI]{name: "post_tweet", params: []string{"content", "tags", "mentions"}, defaults: []any{newList{}, newList{}},
		run: (*twitterAPI).post},
	method[*twitterAPI]{name: "posting_get_login_status", run: (*twitterAPI).loginStatus},
	method[*twitterAPI]{name: "retweet", params: []string{"tweet_id"}, run: (*twitterAPI).retweet},
	method[*twitterAPI]{name: "search_tweets", params: []string{"keyword"}, run: (*twitterAPI).search},
	method[*twitterAPI]{name: "unfollow_user", params: []string{"username_to_unfollow"}, run: (*twitterAPI).unfollow},
)

// newList is the default of a parameter that is a new list in every call.
type newList struct{}

// ownOrNew returns a value that the caller may keep, a list for the default.
func ownOrNew(v any) any {
	if _, ok := v.(newList); ok {
		return &value.List{}
	}
	return own(v)
}

func (s *twitterAPI) authenticate(a []any) string {
	ok := value.Equal(a[0], s.username) && value.Equal(a[1], s.password)
	if ok {
		s.authenticated = true
	}
	return s.dict("authentication_status", ok)
}

func (s *twitterAPI) loginStatus([]any) string {
	return s.dict("login_status", value.Truth(s.authenticated))
}

// loggedOut answers a call that needs a login.
func (s *twitterAPI) loggedOut(doing string) string {
	return s.error("User not authenticated. Please authenticate before ", doing, ".")
}

func (s *twitterAPI) post(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.loggedOut("posting")
	}
	tweet := value.Record("id", s.counter, "username", s.username, "content", own(a[0]),
		"tags", ownOrNew(a[1]), "mentions", ownOrNew(a[2]))
	python.SetItem(s.tweets.writeDict("get"), s.counter, tweet)
	s.counter = plusOne(s.counter)
	return s.json(tweet)
}

// unknown reports whether there is no such tweet; it raises for ids that cannot
// be looked up.
func (s *twitterAPI) unknown(id any) bool {
	_, ok := python.Lookup(s.tweets.dict("get"), id)
	return !ok
}

func (s *twitterAPI) notFound(id any) string { return s.error("Tweet with ID ", id, " not found.") }

func (s *twitterAPI) retweet(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.loggedOut("retweeting")
	}
	if s.unknown(a[0]) {
		return s.notFound(a[0])
	}
	list := emptyList
	if python.Contains(s.retweets.v, s.username) {
		list = python.Item(s.retweets.v, s.username)
	} else {
		python.SetItem(s.retweets.writeDict("get"), s.username, list)
	}
	if python.Contains(list, a[0]) {
		return s.dict("retweet_status", "Already retweeted")
	}
	s.retweets.appendTo(s.username, own(a[0]))
	return s.dict("retweet_status", "Successfully retweeted")
}

// appendTo appends to the list of a key.
func (s *shared) appendTo(key, v any) {
	d := s.writeDict("get")
	old, _ := d.Get(key)
	l, ok := old.(*value.List)
	if !ok {
		python.Attribute(old, "append")
	}
	longer := value.MakeList(len(l.Items) + 1)
	longer.Items = append(append(longer.Items, l.Items...), v)
	d.Set(key, longer)
}

func (s *twitterAPI) comment(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.loggedOut("commenting")
	}
	if s.unknown(a[0]) {
		return s.notFound(a[0])
	}
	if !python.Contains(s.comments.v, a[0]) {
		python.SetItem(s.comments.writeDict("get"), own(a[0]), emptyList)
	}
	s.comments.appendTo(a[0], value.Record("username", s.username, "content", own(a[1])))
	return s.dict("comment_status", "Comment added successfully")
}

func (s *twitterAPI) mention(a []any) string {
	if s.unknown(a[0]) {
		return s.notFound(a[0])
	}
	tweet, _ := s.tweets.dict("get").Get(a[0])
	mentions := python.Item(tweet, "mentions")
	l, ok := mentions.(*value.List)
	if !ok {
		python.Attribute(mentions, "extend")
	}
	more := python.Iterate(a[1])
	all := value.MakeList(len(l.Items) + len(more))
	all.Items = append(append(all.Items, l.Items...), more...)
	for i := len(l.Items); i < len(all.Items); i++ {
		all.Items[i] = own(all.Items[i])
	}
	changed := tweet.(*value.Dict).Copy()
	changed.Set("mentions", all)
	s.tweets.writeDict("get").Set(a[0], changed)
	return s.dict("mention_status", "Users mentioned successfully")
}

func (s *twitterAPI) follow(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.loggedOut("following")
	}
	if python.Contains(s.following.v, a[0]) {
		return s.dict("follow_status", false)
	}
	l := s.following.writeList("append")
	l.Items = append(l.Items, own(a[0]))
	return s.dict("follow_status", true)
}

func (s *twitterAPI) listFollowing([]any) string {
	if !value.Truth(s.authenticated) {
		return s.loggedOut("listing following")
	}
	return s.dict("following_list", s.following.v)
}

func (s *twitterAPI) unfollow(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.loggedOut("unfollowing")
	}
	if !python.Contains(s.following.v, a[0]) {
		return s.dict("unfollow_status", false)
	}
	l := s.following.writeList("remove")
	removeAt(l, python.IndexOf(l.Items, a[0]))
	return s.dict("unfollow_status", true)
}

func (s *twitterAPI) getTweet(a []any) string {
	if s.unknown(a[0]) {
		return s.notFound(a[0])
	}
	tweet, _ := s.tweets.dict("get").Get(a[0])
	return s.answer(tweet)
}

func (s *twitterAPI) userTweets(a []any) string {
	return s.answer(s.tweetsOf(a[0]))
}

// tweetsOf returns the tweets of a user.
func (s *twitterAPI) tweetsOf(user any) *value.List {
	found := &value.List{}
	for i := range s.tweets.dict("get").Len() {
		if _, t := s.tweets.dict("get").At(i); value.Equal(python.Item(t, "username"), user) {
			found.Items = append(found.Items, t)
		}
	}
	return found
}

func (s *twitterAPI) search(a []any) string {
	found := &value.List{}
	for i := range s.tweets.dict("get").Len() {
		_, t := s.tweets.dict("get").At(i)
		keyword := python.Lower(a[0])
		hit := python.Contains(python.Lower(python.Item(t, "content")), keyword)
		if !hit {
			tags := python.Iterate(python.Item(t, "tags"))
			lowered := make([]any, len(tags))
			for j, tag := range tags {
				lowered[j] = python.Lower(tag)
			}
			hit = python.IndexOf(lowered, keyword) >= 0
		}
		if hit {
			found.Items = append(found.Items, t)
		}
	}
	return s.answer(found)
}

func (s *twitterAPI) tweetComments(a []any) string {
	if s.unknown(a[0]) {
		return s.notFound(a[0])
	}
	if c, ok := python.Lookup(s.comments.dict("get"), a[0]); ok {
		return s.answer(c)
	}
	return "[]"
}

func (s *twitterAPI) userStats(a []any) string {
	tweets := int64(len(s.tweetsOf(a[0]).Items))
	following := int64(0)
	if value.Equal(a[0], s.username) {
		following = python.Length(s.following.v)
	}
	retweets := int64(0)
	if l, ok := python.Lookup(s.retweets.dict("get"), a[0]); ok {
		retweets = python.Length(l)
	}
	return s.dict("tweet_count", tweets, "following_count", following, "retweet_count", retweets)
}
