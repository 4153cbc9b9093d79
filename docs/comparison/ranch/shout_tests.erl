-module(shout_tests).
-include_lib("eunit/include/eunit.hrl").

shout_test() ->
    {ok, _} = shout:start(0, 3),
    Options = [binary, {packet, line}, {active, false}],
    {ok, Socket} = gen_tcp:connect("127.0.0.1", ranch:get_port(shout), Options),
    ok = gen_tcp:send(Socket, "hello\r\n"),
    ?assertEqual({ok, <<"HELLO!!!\n">>}, gen_tcp:recv(Socket, 0, 1000)).
