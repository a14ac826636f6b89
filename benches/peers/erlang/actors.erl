%% Erlang/OTP: calls, fan-out, many processes, monitors, selective receive, timers.
%% erl -noshell -pa FOLDER -s actors main WORK [SIZE]; prints METRIC VALUE lines.
-module(actors).
-export([main/1, idle/0, pass_on/1]).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

main([Work]) -> main([Work, '0']);
main([Work, Size]) ->
    N = list_to_integer(atom_to_list(Size)),
    case Work of
        call -> call();
        fanout -> fanout(N);
        many -> many(N);
        ring -> ring(N);
        monitors_one -> monitors_one(N);
        monitors_each -> monitors_each(N);
        select_tag -> in_a_process(fun() -> select_tag(N) end);
        select_ref -> in_a_process(fun() -> select_ref(N) end);
        timers -> timers(N);
        late -> late()
    end,
    halt(0, [{flush, true}]).

row(Metric, Value) -> io:format("~s ~.3f~n", [Metric, Value * 1.0]).
now_ns() -> erlang:monotonic_time(nanosecond).
quantile(Times, Share) ->
    Sorted = lists:sort(Times),
    lists:nth(min(length(Sorted), trunc(length(Sorted) * Share) + 1), Sorted).

%% The time that work takes; what it returns is forgotten.
timed(Work) ->
    Begun = now_ns(),
    Work(),
    now_ns() - Begun.

%% A crash of the process is one of the program.
in_a_process(Work) ->
    {Pid, Ref} = spawn_monitor(Work),
    receive {'DOWN', Ref, process, Pid, normal} -> ok end.

wait_for(_, 0) -> ok;
wait_for(What, N) -> receive What -> wait_for(What, N - 1) end.

%% P9: gen_server:call
init([]) -> {ok, []}.
handle_call(Number, _, State) -> {reply, Number + 1, State}.
handle_cast(_, State) -> {noreply, State}.

call() ->
    {ok, Server} = gen_server:start(?MODULE, [], []),
    Call = fun(I) -> Begun = now_ns(), Next = I + 1, Next = gen_server:call(Server, I), now_ns() - Begun end,
    [Call(I) || I <- lists:seq(1, 10000)],
    Times = [Call(I) || I <- lists:seq(1, 100000)],
    row("p50_ns", quantile(Times, 0.5)),
    row("p99_ns", quantile(Times, 0.99)).

%% P11: a process group of pg; every message is a fresh binary
subscriber(From, Publisher, Left) ->
    receive
        {message, <<First, _:62/binary, 7>>} when First =:= From rem 256 ->
            case Left of
                1 -> Publisher ! read_all, subscriber(From + 1, Publisher, 0);
                _ -> subscriber(From + 1, Publisher, Left - 1)
            end;
        {read, More} -> subscriber(From, Publisher, More)
    end.

publish(From, To) ->
    [begin
         Message = {message, <<(I rem 256), (binary:copy(<<7>>, 63))/binary>>},
         [Pid ! Message || Pid <- pg:get_members(topic)]
     end || I <- lists:seq(From, To - 1)].

fanout(N) ->
    {ok, _} = pg:start_link(),
    Me = self(),
    Messages = min(100000, max(20, 400000 div N)),
    WarmUp = Messages div 4,
    Pids = [spawn_link(fun() -> subscriber(0, Me, WarmUp) end) || _ <- lists:seq(1, N)],
    ok = pg:join(topic, Pids),
    publish(0, WarmUp),
    wait_for(read_all, N),
    [Pid ! {read, Messages} || Pid <- Pids],
    Taken = timed(fun() -> publish(WarmUp, WarmUp + Messages), wait_for(read_all, N) end),
    row("ns_per_delivery", Taken / (Messages * N)).

%% P13: processes
resident() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:split(Statm, " ", all),
    binary_to_integer(Pages) * 4096.

%% Leaves any other message in its queue.
idle() -> receive stop -> ok end.

many(N) ->
    garbage_collect(),
    AtFirst = resident(),
    Begun = now_ns(),
    Pids = [spawn(?MODULE, idle, []) || _ <- lists:seq(1, N)],
    Created = now_ns(),
    Empty = resident(),
    [Pid ! {number, 1} || Pid <- Pids],
    WithOne = resident(),
    timer:sleep(200),
    Last = erlang:monitor(process, lists:last(Pids)),
    Closing = now_ns(),
    [Pid ! stop || Pid <- Pids],
    receive {'DOWN', Last, _, _, _} -> ok end,
    row("create_ns", (Created - Begun) / N),
    row("destroy_ns", (now_ns() - Closing) / N),
    row("bytes_empty", (Empty - AtFirst) / N),
    row("bytes_with_one", (WithOne - AtFirst) / N).

%% P14
pass_on(Next) ->
    receive
        {0, From} -> From ! arrived, pass_on(Next);
        {Left, From} -> Next ! {Left - 1, From}, pass_on(Next)
    end.

ring(N) ->
    First = spawn_link(fun() -> receive {next, Next} -> pass_on(Next) end end),
    Last = lists:foldl(fun(_, Next) -> spawn_link(?MODULE, pass_on, [Next]) end, First, lists:seq(2, N)),
    First ! {next, Last},
    Go = fun(Hops) -> timed(fun() -> First ! {Hops, self()}, wait_for(arrived, 1) end) end,
    Go(50000),
    row("ns_per_hop", Go(500000) / 500000).

%% P15
mortal() -> spawn(fun() -> receive die -> exit(killed) end end).
wait_for_downs(_, 0) -> ok;
wait_for_downs(Pid, N) -> receive {'DOWN', _, process, Pid, killed} -> wait_for_downs(Pid, N - 1) end.

monitors_one(N) ->
    Target = mortal(),
    Setup = timed(fun() -> [erlang:monitor(process, Target) || _ <- lists:seq(1, N)] end),
    Death = timed(fun() -> Target ! die, wait_for_downs(Target, N) end),
    row("death_to_last_us", Death / 1000),
    row("setup_ns", Setup / N).

monitors_each(N) ->
    {Me, Target} = {self(), mortal()},
    Watcher = fun() ->
        receive watch -> ok end,
        erlang:monitor(process, Target),
        Me ! watching,
        wait_for_downs(Target, 1),
        Me ! heard
    end,
    Watchers = [spawn_link(Watcher) || _ <- lists:seq(1, N)],
    Setup = timed(fun() -> [Pid ! watch || Pid <- Watchers], wait_for(watching, N) end),
    Death = timed(fun() -> Target ! die, wait_for(heard, N) end),
    row("death_to_last_us", Death / 1000),
    row("setup_ns", Setup / N).

%% P16: a backlog that does not match, and what is wanted behind it
backlog(N) -> [self() ! {other, I} || I <- lists:seq(1, N)], ok.

select_tag(N) ->
    backlog(N),
    Rounds = max(20, min(100000, 2000000 div (N + 10))),
    Receive = fun(I) -> self() ! {mine, I}, receive {mine, I} -> ok end end,
    Taken = timed(fun() -> [Receive(I) || I <- lists:seq(1, Rounds)] end),
    row("ns_per_receive", Taken / Rounds).

echo() -> receive {From, Ref} -> From ! {Ref, ok}, echo() end.

%% A reply awaited by a fresh reference: the receive begins behind the backlog.
select_ref(N) ->
    backlog(N),
    {Me, Server} = {self(), spawn_link(fun echo/0)},
    Receive = fun() -> Ref = make_ref(), Server ! {Me, Ref}, receive {Ref, ok} -> ok end end,
    Taken = timed(fun() -> [Receive() || _ <- lists:seq(1, 20000)] end),
    row("ns_per_receive", Taken / 20000),
    unlink(Server),
    exit(Server, kill).

%% P17
timers(N) ->
    Me = self(),
    Delays = [60000 + (I * 2654435761) rem 60000 || I <- lists:seq(1, N)],
    Begun = now_ns(),
    Timers = [erlang:send_after(Delay, Me, tick) || Delay <- Delays],
    Armed = now_ns(),
    [erlang:cancel_timer(Timer) || Timer <- Timers],
    Cancelled = now_ns(),
    row("arm_ns", (Armed - Begun) / N),
    row("cancel_ns", (Cancelled - Armed) / N).

late() ->
    Late = [begin Due = now_ns() + 5000000, erlang:send_after(5, self(), tick), receive tick -> now_ns() - Due end end
            || _ <- lists:seq(1, 300)],
    row("p50_ns", quantile(Late, 0.5)),
    row("p99_ns", quantile(Late, 0.99)).
