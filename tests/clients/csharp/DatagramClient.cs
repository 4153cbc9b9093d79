using System;
using System.Net;
using System.Net.Sockets;
using System.Text;

/// Sends each argument as a datagram from one UdpClient, and prints each answer.
public static class DatagramClient
{
    /// Arguments: host, port, texts.
    public static void Main(string[] arguments)
    {
        using (var client = new UdpClient(arguments[0], int.Parse(arguments[1])))
        using (var screen = Console.OpenStandardOutput())
        {
            client.Client.ReceiveTimeout = 60000;
            for (int each = 2; each < arguments.Length; each++)
            {
                byte[] datagram = Encoding.UTF8.GetBytes(arguments[each]);
                client.Send(datagram, datagram.Length);
                IPEndPoint from = null;
                byte[] answer = client.Receive(ref from);
                screen.Write(answer, 0, answer.Length);
                screen.WriteByte((byte)'\n');
            }
        }
    }
}
