%% Erlang/OTP between processes.   bench main oneway SIZE SENDERS|same|'same:BURST',  bench main pingpong
%% 8 bytes travel as a number; of more the sender makes a fresh binary for each message. The receiver keeps its queue
%% off its heap, as OTP's manual advises where it may grow.
-module(bench).
-export([main/1]).

main([oneway, Size, From]) ->
    Bytes = number(Size),
    row("ns_per_message", oneway(Bytes, atom_to_list(From), count(Bytes))),
    halt(0, [{flush, true}]);
main([pingpong]) ->
    Echo = spawn_link(fun echo/0),
    Taken = rounds(Echo, 55000, []),
    percentiles(lists:sublist(Taken, 50000)),
    halt(0, [{flush, true}]);
main(_) ->
    io:format(standard_error, "usage: bench main oneway SIZE SENDERS|same|same:BURST, bench main pingpong~n", []),
    halt(2).

number(Word) -> list_to_integer(atom_to_list(Word)).
now_ns() -> erlang:monotonic_time(nanosecond).
row(Metric, Value) -> io:format("~s ~.3f~n", [Metric, Value * 1.0]).

%% The median, and what one in a hundred exceeds.
percentiles(Taken) ->
    Sorted = list_to_tuple(lists:sort(Taken)),
    Count = tuple_size(Sorted),
    row("p50_ns", element(Count div 2 + 1, Sorted)),
    row("p99_ns", element(Count * 99 div 100 + 1, Sorted)).

%% ---- one way

count(Bytes) when Bytes =< 64 -> 1000000;
count(Bytes) when Bytes =< 1024 -> 300000;
count(_) -> 16384.

template(8) -> 7;
template(Bytes) -> binary:copy(<<7>>, Bytes).

fresh(7, I) -> 7 bsl 48 bor (I band 255);
fresh(Template, I) -> <<(I band 255), (binary:part(Template, 1, byte_size(Template) - 1))/binary>>.

read(Number) when is_integer(Number) -> 7 = Number bsr 48, Number band 255;
read(Binary) -> 7 = binary:last(Binary), binary:first(Binary).

send(_, _, Count, Count) -> ok;
send(To, Template, I, Count) -> To ! {m, fresh(Template, I)}, send(To, Template, I + 1, Count).

recv(0, Sum) -> Sum;
recv(Count, Sum) -> receive {m, Payload} -> recv(Count - 1, Sum + read(Payload)) end.

oneway(Bytes, "same", Count) -> oneway(Bytes, "same:1", Count);
oneway(Bytes, "same:" ++ Burst, Count) ->
    Rounds = Count div list_to_integer(Burst),
    Template = template(Bytes),
    in_a_process(fun() ->
        bursts(Template, list_to_integer(Burst), Rounds div 20 + 1),
        Begun = now_ns(),
        bursts(Template, list_to_integer(Burst), Rounds),
        (now_ns() - Begun) / (Rounds * list_to_integer(Burst))
    end);
oneway(Bytes, Senders, Count) ->
    Number = list_to_integer(Senders),
    Share = Count div Number,
    in_a_process(fun() ->
        Me = self(),
        Sender = fun() ->
            Template = template(Bytes),
            send(Me, Template, 0, Share div 20),
            receive go -> ok end,
            send(Me, Template, 0, Share)
        end,
        Started = [spawn_link(Sender) || _ <- lists:seq(1, Number)],
        recv(Share div 20 * Number, 0),
        Begun = now_ns(),
        [Pid ! go || Pid <- Started],
        recv(Share * Number, 0),
        (now_ns() - Begun) / (Share * Number)
    end).

bursts(_, _, 0) -> ok;
bursts(Template, Burst, Rounds) ->
    send(self(), Template, 0, Burst),
    recv(Burst, 0),
    bursts(Template, Burst, Rounds - 1).

%% What Work returns, done in a process of its own.
in_a_process(Work) ->
    Me = self(),
    spawn_opt(fun() -> Me ! {done, Work()} end, [link, {message_queue_data, off_heap}]),
    receive {done, Result} -> Result end.

%% ---- ping-pong

echo() -> receive {From, Number} -> From ! {m, Number}, echo() end.

rounds(_, 0, Taken) -> Taken;
rounds(Echo, Left, Taken) ->
    Begun = now_ns(),
    Echo ! {self(), Left},
    receive {m, Left} -> ok end,
    rounds(Echo, Left - 1, [now_ns() - Begun | Taken]).
