// SPDX-License-Identifier: MIT
// One end of a TLS connection in .NET, and one way to end it: party PORT TLS SCENARIO. A scenario's name says what the program
// does; a client (PORT is that of the judge) or a server (PORT is 0, and "listening PORT" is printed first).
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;

static class Party
{
    static int port;
    static SslProtocols version;
    static readonly byte[] megabytes = new byte[3000000];

    static async Task<int> Main(string[] args)
    {
        port = int.Parse(args[0]);
        version = args[1] == "1.2" ? SslProtocols.Tls12 : SslProtocols.Tls13;
        switch (args[2])
        {
            // --- clients ---
            case "dispose":
                using (var s = await Connect()) await Ask(s);
                return 0;
            case "unread": // one byte of the answer, the rest is in the session and in the socket
                using (var s = await Connect())
                {
                    await s.WriteAsync(Bytes("hello"));
                    await s.ReadExactlyAsync(new byte[1]);
                }
                return 0;
            case "shutdown":
                using (var s = await Connect())
                {
                    await Ask(s);
                    await s.ShutdownAsync();
                }
                return 0;
            case "shutdown_then_read": // half-close: its own end first, then the peer's
                using (var s = await Connect())
                {
                    await s.WriteAsync(Bytes("hello"));
                    await s.ShutdownAsync();
                    while (await s.ReadAsync(new byte[4096]) > 0) ;
                }
                return 0;
            case "answer": // the peer ends first
                using (var s = await Connect())
                {
                    await s.WriteAsync(Bytes("hello"));
                    while (await s.ReadAsync(new byte[4096]) > 0) ;
                }
                return 0;
            case "abort": // asks for RST
                using (var s = await Connect())
                {
                    await Ask(s);
                    socket!.Close(0);
                }
                return 0;
            case "socket_close": // the socket goes, the session stays
            {
                var s = await Connect();
                await Ask(s);
                socket!.Close();
                GC.KeepAlive(s);
                return 0;
            }
            case "socket_shutdown": // Shutdown(Both), Close
            {
                var s = await Connect();
                await Ask(s);
                socket!.Shutdown(SocketShutdown.Both);
                socket.Close();
                GC.KeepAlive(s);
                return 0;
            }
            case "blocking": // without the engine that polls
            {
                using var client = new TcpClient("127.0.0.1", port);
                using var s = new SslStream(client.GetStream(), false, (_, _, _, _) => true);
                s.AuthenticateAsClient("localhost", null, version, false);
                s.Write(Bytes("hello"));
                s.ReadExactly(new byte[100]);
                client.Close();
                return 0;
            }
            case "returns": // from Main, nothing is disposed of
            {
                var s = await Connect();
                await Ask(s);
                GC.KeepAlive(s);
                return 0;
            }
            case "exits":
            {
                await Ask(await Connect());
                Environment.Exit(0);
                return 0;
            }
            case "exits_1":
            {
                await Ask(await Connect());
                Environment.Exit(1);
                return 0;
            }
            case "throws":
            {
                await Ask(await Connect());
                throw new InvalidOperationException("nobody catches this");
            }
            case "upload": // 3 MB, the tickets unread
                using (var s = await Connect()) await s.WriteAsync(megabytes);
                return 0;
            case "upload_shutdown":
                using (var s = await Connect())
                {
                    await s.WriteAsync(megabytes);
                    await s.ShutdownAsync();
                }
                return 0;
            case "upload_exits":
                await (await Connect()).WriteAsync(megabytes);
                Environment.Exit(0);
                return 0;
            case "http":
                using (var http = Http()) Console.WriteLine((await http.GetByteArrayAsync(Url)).Length);
                return 0;
            case "http_returns": // the connection lies in the pool
                Console.WriteLine((await Http().GetByteArrayAsync(Url)).Length);
                return 0;
            case "http_headers": // the body is left unread
                using (var http = Http())
                    (await http.GetAsync(Url, HttpCompletionOption.ResponseHeadersRead)).Dispose();
                return 0;
            case "http_cancel": // in the middle of an upload that the server does not take
                using (var http = Http())
                using (var cancel = new CancellationTokenSource())
                {
                    var upload = new Endless(cancel);
                    try { await http.PostAsync(Url, upload, cancel.Token); }
                    catch (OperationCanceledException) { }
                }
                return 0;
            case "http_upload":
                using (var http = Http())
                    Console.WriteLine((int)(await http.PostAsync(Url, new ByteArrayContent(megabytes))).StatusCode);
                return 0;

            // --- servers: one connection ---
            case "server_dispose":
                using (var s = await Accept()) await Answer(s);
                return 0;
            case "server_shutdown":
                using (var s = await Accept())
                {
                    await Answer(s);
                    await s.ShutdownAsync();
                }
                return 0;
            case "server_until_end": // the client ends first
                using (var s = await Accept())
                {
                    await Answer(s);
                    while (await s.ReadAsync(new byte[4096]) > 0) ;
                }
                return 0;
            case "server_abort":
                using (var s = await Accept())
                {
                    await Answer(s);
                    socket!.Close(0);
                }
                return 0;
            case "server_exits":
                await Answer(await Accept());
                Environment.Exit(0);
                return 0;
            case "server_sends": // 3 MB, a part of the request unread
                using (var s = await Accept())
                {
                    await s.ReadExactlyAsync(new byte[1]);
                    await s.WriteAsync(megabytes);
                }
                return 0;
#if KESTREL
            case "kestrel": // HTTP/1.0, so the server ends
                await Kestrel.Serve(version, context => Kestrel.Text(context));
                return 0;
            case "kestrel_abort":
                await Kestrel.Serve(version, async context =>
                {
                    await Kestrel.Text(context);
                    await context.Response.Body.FlushAsync();
                    context.Abort();
                });
                return 0;
            case "kestrel_stop": // the server stops with a connection open
                await Kestrel.Serve(version, async context =>
                {
                    context.Response.ContentLength = 5;
                    await Kestrel.Text(context);
                });
                return 0;
#endif
        }
        Console.Error.WriteLine($"party: no scenario {args[2]}");
        return 99;
    }

    static byte[] Bytes(string text) => Encoding.ASCII.GetBytes(text);

    static Socket? socket;

    static async Task<SslStream> Connect()
    {
        socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        var stream = new SslStream(new NetworkStream(socket, true));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            EnabledSslProtocols = version,
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        });
        return stream;
    }

    static async Task Ask(SslStream stream)
    {
        await stream.WriteAsync(Bytes("hello"));
        await stream.ReadExactlyAsync(new byte[100]);
    }

    public static X509Certificate2 Certificate()
    {
        var pki = Environment.GetEnvironmentVariable("PKI");

        return X509Certificate2.CreateFromPemFile($"{pki}/cert.pem", $"{pki}/key.pem");
    }

    static async Task<SslStream> Accept()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);

        listener.Start();
        Console.WriteLine($"listening {((IPEndPoint)listener.LocalEndpoint).Port}");
        socket = await listener.AcceptSocketAsync();
        var stream = new SslStream(new NetworkStream(socket, true));
        await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificate = Certificate(),
            EnabledSslProtocols = version,
        });
        return stream;
    }

    static async Task Answer(SslStream stream)
    {
        await stream.ReadExactlyAsync(new byte[5]);
        await stream.WriteAsync(new byte[100]);
    }

    static string Url => $"https://localhost:{port}/";

    static HttpClient Http() => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = version,
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        },
        ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, port, cancel);
            return new NetworkStream(socket, true);
        },
    });

    // The body of a request that never ends, but is cancelled.
    class Endless(CancellationTokenSource cancel) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            for (int i = 0; i < 30; i++) await stream.WriteAsync(new byte[1000]);
            await stream.FlushAsync();
            cancel.Cancel();
            await stream.WriteAsync(new byte[1000], cancel.Token);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 1000000;
            return true;
        }
    }
}
