-module(shout).
-behaviour(ranch_protocol).
-export([start/2, start_link/3, init/3]).

start(Port, Marks) ->
    {ok, _} = application:ensure_all_started(ranch),
    Listen = #{socket_opts => [{ip, {127, 0, 0, 1}}, {port, Port}]},
    ranch:start_listener(shout, ranch_tcp, Listen, ?MODULE, Marks).

start_link(Ref, Transport, Marks) ->
    {ok, spawn_link(?MODULE, init, [Ref, Transport, Marks])}.

init(Ref, Transport, Marks) ->
    {ok, Socket} = ranch:handshake(Ref),
    ok = Transport:setopts(Socket, [{packet, line}, {buffer, 65536}]),
    loop(Socket, Transport, binary:copy(<<"!">>, Marks)).

loop(Socket, Transport, Marks) ->
    case Transport:recv(Socket, 0, infinity) of
        {ok, Line} ->
            [Text | _] = binary:split(Line, [<<"\r\n">>, <<"\n">>]),
            Shout = << <<(upper(C))>> || <<C>> <= Text >>,
            ok = Transport:send(Socket, [Shout, Marks, $\n]),
            loop(Socket, Transport, Marks);
        {error, _} ->
            Transport:close(Socket)
    end.

upper(C) when C >= $a, C =< $z -> C - 32;
upper(C) -> C.
