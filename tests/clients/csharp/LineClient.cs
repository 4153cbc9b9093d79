using System;
using System.IO;
using System.Net.Sockets;
using System.Text;

/// The client of the textbooks: a TcpClient that sends each line of standard input, and prints what ReadLine() gives.
public static class LineClient
{
    /// Arguments: host, port, how many lines to read first.
    public static void Main(string[] arguments)
    {
        Encoding utf8 = new UTF8Encoding(false);
        var keyboard = new StreamReader(Console.OpenStandardInput(), utf8);
        var screen = new StreamWriter(Console.OpenStandardOutput(), utf8) { AutoFlush = true };
        using (var client = new TcpClient(arguments[0], int.Parse(arguments[1])))
        using (NetworkStream stream = client.GetStream())
        {
            var reader = new StreamReader(stream, utf8);
            var writer = new StreamWriter(stream, utf8) { AutoFlush = true };
            for (int first = int.Parse(arguments[2]); first > 0; first--)
            {
                screen.WriteLine(reader.ReadLine());
            }
            for (string line; (line = keyboard.ReadLine()) != null;)
            {
                writer.WriteLine(line);
                screen.WriteLine(reader.ReadLine());
            }
        }
    }
}
